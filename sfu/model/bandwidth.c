#include "sfu/model/bandwidth.h"

#include <math.h>
#include <string.h>

#include "sfu/model/allocator.h"

static const double
	decrease = 0.85,
	growth_per_s = 1.08, growth_arrived_max = 1.5, growth_arrived_extra_bps = 10000,
	near_link_deviations = 3,
	/* Loss of this much beyond the inherent one is congestion; below the other one is none. */
	loss_high = 0.10, loss_low = 0.02, collapse_loss = 0.3, collapse_arrived = 0.6,
	came_through = 0.85, /* of what was sent */
	probe_share = 0.95, probe_margin = 1.1;

/* After which the receiver's clock begins anew: 24 bits of 64 ms (draft-holmer-rmcat-transport-wide
 * -cc-extensions-01 section 3.1), 12.4 days. */
static const int64_t arrival_period_us = (INT64_C(1) << 24) * 64000;

enum {
	LOSS_WINDOW_US = 300000,
	LOSS_VERDICT_US = 1200000, /* after a fall because of loss: did it help? */
	LOSS_PACKETS_MIN = 10,
	COLLAPSE_RUNS_MIN = 3,
	COLLAPSE_LOST_MIN = 60,
	PROBE_US = 15000, /* at the rate in question */
	PROBE_BYTES_MIN = 4000,
	PROBE_SMALL_BYTES_MIN = 2000, /* where the packets are small */
	PROBE_BYTES_MAX = 30000,
	PROBE_PACKETS_MIN = 4,
	PROBE_WAIT_US = 500000, /* for its feedback */
	PROBE_PAUSE_MIN_US = 1000000,
	PROBE_PAUSE_MAX_US = 4000000,
	PROBE_FACTOR = 2,
	UNTESTED_US = 30000000, /* so long a way is believed to be what it was */
	FAR_SLOTS = 400,
	SILENT_RECEIVER_US = 3000000, /* it agreed to give feedback and gives none */
	LOWER_PAUSE_US = 100000
};

void bandwidth_init(struct bandwidth *bandwidth, uint64_t now_us)
{
	memset(bandwidth, 0, sizeof(*bandwidth));
	delay_trend_init(&bandwidth->trend);
	bandwidth->estimate_bps = BANDWIDTH_START_BPS;
	bandwidth->grown_at_us = bandwidth->loss_window_us = now_us;
	bandwidth->probe_pause_us = PROBE_PAUSE_MIN_US;
}

/* ---- rates ---- */

static void rate_add(struct rate_window *window, uint64_t at_us, uint64_t byte_count)
{
	uint64_t slot = at_us / BANDWIDTH_SLOT_US;

	/* Far off either way: a pause, or the other's clock has begun anew. */
	if (!window->has_begun || slot > window->slot + BANDWIDTH_WINDOW_SLOTS ||
	    slot + FAR_SLOTS < window->slot) {
		*window = (struct rate_window){.slot = slot, .first_slot = slot, .has_begun = true};
	} else if (slot + BANDWIDTH_WINDOW_SLOTS <= window->slot) {
		return; /* older than all we look at */
	}
	while (window->slot < slot)
		window->bytes[++window->slot % BANDWIDTH_WINDOW_SLOTS] = 0;
	window->bytes[slot % BANDWIDTH_WINDOW_SLOTS] += byte_count;
}

/* Bit/s; 0 if it is too early to tell. The newest slot is still filling and does not count. */
static double rate_of(const struct rate_window *window, unsigned slots)
{
	uint64_t bytes = 0, counted = 0;

	for (uint64_t i = 1; i < slots && i <= window->slot - window->first_slot; i++, counted++)
		bytes += window->bytes[(window->slot - i) % BANDWIDTH_WINDOW_SLOTS];
	return counted < 3 ? 0 : (double)bytes * 8e6 / ((double)counted * BANDWIDTH_SLOT_US);
}

void bandwidth_on_sent(struct bandwidth *bandwidth, uint64_t now_us, size_t byte_count)
{
	if (!bandwidth->stamped_at_us)
		bandwidth->stamped_at_us = now_us;
	rate_add(&bandwidth->sent, now_us, byte_count);
	bandwidth->sent_bytes += byte_count;
}

static void set_estimate(struct bandwidth *bandwidth, double bps)
{
	bandwidth->estimate_bps = fmin(fmax(bps, BANDWIDTH_MIN_BPS), BANDWIDTH_MAX_BPS);
}

/* ---- probes ---- */

static void on_probe_result(struct bandwidth *bandwidth, size_t byte_count, int64_t arrival_us)
{
	struct bandwidth_probe *probe = &bandwidth->probe;

	if (probe->packet_count++ == 0) {
		probe->first_arrival_us = probe->last_arrival_us = arrival_us;
		return;
	}
	probe->byte_count += byte_count;
	if (arrival_us > probe->last_arrival_us)
		probe->last_arrival_us = arrival_us;
}

/* How fast the burst came through; it proves no more than it asked. */
static double probe_rate(const struct bandwidth_probe *probe)
{
	double elapsed_us = (double)(probe->last_arrival_us - probe->first_arrival_us);
	double rate_bps;

	if (probe->packet_count < PROBE_PACKETS_MIN)
		return 0;
	rate_bps = (double)probe->byte_count * 8e6 / fmax(elapsed_us, 1000);
	return fmin(rate_bps * probe_share, (double)probe->asked_bps);
}

static void finish_probe(struct bandwidth *bandwidth, uint64_t now_us)
{
	struct bandwidth_probe *probe = &bandwidth->probe;
	double rate_bps = probe_rate(probe);
	bool has_shown_more = rate_bps > bandwidth->estimate_bps * 1.05;

	if (has_shown_more) {
		set_estimate(bandwidth, rate_bps);
		bandwidth->link_bps = 0; /* what was known of the way is over */
		bandwidth->grown_at_us = now_us;
	}
	/* All that it asked: there may be more still. Otherwise not again so soon. */
	if (rate_bps >= (double)probe->asked_bps * 0.9)
		bandwidth->probe_pause_us = PROBE_PAUSE_MIN_US / 2;
	else if (bandwidth->probe_pause_us < PROBE_PAUSE_MAX_US)
		bandwidth->probe_pause_us = bandwidth->probe_pause_us < PROBE_PAUSE_MIN_US
						    ? PROBE_PAUSE_MIN_US
						    : bandwidth->probe_pause_us * 2;
	bandwidth->next_probe_us = now_us + bandwidth->probe_pause_us;
	probe->id = 0;
}

/* Twice the estimate; or what it was before something that was not of our making took it down. */
static double most_to_probe(const struct bandwidth *bandwidth, uint64_t now_us)
{
	double most_bps = bandwidth->estimate_bps * PROBE_FACTOR;

	return now_us - bandwidth->untested_at_us < UNTESTED_US
		       ? fmax(most_bps, decrease * bandwidth->untested_bps)
		       : most_bps;
}

bool bandwidth_wants_probe(struct bandwidth *bandwidth, uint64_t now_us, uint64_t wanted_bps,
			   bool of_small_packets, uint8_t *ret_id, size_t *ret_byte_count)
{
	struct bandwidth_probe *probe = &bandwidth->probe;
	double asked_bps = (double)wanted_bps * probe_margin;
	double bytes, bytes_min = of_small_packets ? PROBE_SMALL_BYTES_MIN : PROBE_BYTES_MIN;

	if (probe->id && now_us - probe->started_us > PROBE_WAIT_US)
		finish_probe(bandwidth, now_us);
	if (!bandwidth->heard_at_us || probe->id || now_us < bandwidth->next_probe_us ||
	    asked_bps <= bandwidth->estimate_bps)
		return false;
	asked_bps = fmin(asked_bps, most_to_probe(bandwidth, now_us));
	bandwidth->untested_bps = 0;
	bytes = fmin(fmax(asked_bps / 8 * PROBE_US / 1e6, bytes_min), PROBE_BYTES_MAX);
	if (++bandwidth->last_probe_id == 0)
		bandwidth->last_probe_id = 1;
	*probe = (struct bandwidth_probe){.id = bandwidth->last_probe_id,
					  .asked_bps = (uint64_t)asked_bps,
					  .started_us = now_us};
	*ret_id = probe->id;
	*ret_byte_count = (size_t)bytes;
	return true;
}

/* ---- delay ---- */

static bool is_near_link(const struct bandwidth *bandwidth, double arrived_bps)
{
	double deviation = sqrt(bandwidth->link_variance * bandwidth->link_bps);

	return bandwidth->link_bps > 0 &&
	       arrived_bps < bandwidth->link_bps + near_link_deviations * deviation;
}

/* The rate at which the way was full, smoothed (section 5.5 of the draft: R_hat and its average).
 */
static void remember_link(struct bandwidth *bandwidth, double arrived_bps)
{
	double deviation = sqrt(bandwidth->link_variance * bandwidth->link_bps), error;

	if (bandwidth->link_bps > 0 &&
	    fabs(arrived_bps - bandwidth->link_bps) > near_link_deviations * deviation)
		bandwidth->link_bps = 0; /* the way is another one now */
	if (bandwidth->link_bps <= 0) {
		bandwidth->link_bps = arrived_bps;
		bandwidth->link_variance = 0.4 * arrived_bps / 100;
		return;
	}
	error = bandwidth->link_bps - arrived_bps;
	bandwidth->link_bps = 0.95 * bandwidth->link_bps + 0.05 * arrived_bps;
	bandwidth->link_variance = 0.95 * bandwidth->link_variance +
				   0.05 * error * error / fmax(bandwidth->link_bps, 1);
	bandwidth->link_variance = fmax(bandwidth->link_variance, 0.004 * bandwidth->link_bps);
}

static void lower(struct bandwidth *bandwidth, double bps, uint64_t now_us)
{
	if (bps < bandwidth->estimate_bps)
		set_estimate(bandwidth, bps);
	bandwidth->lowered_at_us = bandwidth->grown_at_us = now_us;
	if (bandwidth->next_probe_us < now_us + PROBE_PAUSE_MIN_US)
		bandwidth->next_probe_us = now_us + PROBE_PAUSE_MIN_US;
}

/* Next to nothing was sent, and all of that came through: the queue is of others' making. */
static bool is_not_ours(const struct bandwidth *bandwidth, double arrived_bps)
{
	return bandwidth->application.is_limited &&
	       arrived_bps > came_through * rate_of(&bandwidth->sent, BANDWIDTH_WINDOW_SLOTS);
}

/* What is believed of the way when a queue shows. */
static void judge_queue(struct bandwidth *bandwidth, uint64_t now_us, double arrived_bps)
{
	if (!is_not_ours(bandwidth, arrived_bps)) {
		remember_link(bandwidth, arrived_bps);
		bandwidth->untested_bps = 0; /* it is not what it was */
	} else if (bandwidth->estimate_bps > bandwidth->untested_bps ||
		   now_us - bandwidth->untested_at_us >= UNTESTED_US) {
		bandwidth->untested_bps = bandwidth->estimate_bps;
		bandwidth->untested_at_us = now_us;
	}
}

static void on_overuse(struct bandwidth *bandwidth, uint64_t now_us, uint64_t rtt_us,
		       double arrived_bps)
{
	if (arrived_bps <= 0 || now_us - bandwidth->lowered_at_us < rtt_us + LOWER_PAUSE_US)
		return;
	judge_queue(bandwidth, now_us, arrived_bps);
	lower(bandwidth, decrease * arrived_bps, now_us);
}

static void grow(struct bandwidth *bandwidth, uint64_t now_us, uint64_t rtt_us, double arrived_bps)
{
	double elapsed_s = fmin((double)(now_us - bandwidth->grown_at_us) / 1e6, 1);
	double grown_bps = bandwidth->estimate_bps * pow(growth_per_s, elapsed_s);
	double limit_bps = growth_arrived_max * arrived_bps + growth_arrived_extra_bps;

	bandwidth->grown_at_us = now_us;
	if (is_near_link(bandwidth, arrived_bps)) /* a packet more for each round trip */
		grown_bps = bandwidth->estimate_bps +
			    elapsed_s * 1200 * 8 * 1e6 / (double)(rtt_us + LOWER_PAUSE_US);
	grown_bps = fmin(grown_bps, limit_bps);
	if (grown_bps > bandwidth->estimate_bps)
		set_estimate(bandwidth, grown_bps);
}

/* ---- loss ---- */

static void begin_window(struct bandwidth *bandwidth, uint64_t now_us)
{
	bandwidth->window_lost = bandwidth->window_count = bandwidth->window_runs = 0;
	bandwidth->loss_window_us = now_us;
}

/* A fall because of loss that changed nothing: the way loses so much by itself. */
static void judge_last_fall(struct bandwidth *bandwidth, uint64_t now_us)
{
	if (bandwidth->estimate_before <= 0 ||
	    now_us - bandwidth->loss_lowered_at_us < LOSS_VERDICT_US)
		return;
	if (bandwidth->loss > 0.7 * bandwidth->loss_before) {
		bandwidth->inherent_loss = fmax(bandwidth->inherent_loss, bandwidth->loss);
		if (bandwidth->trend.verdict != DELAY_OVERUSE)
			set_estimate(bandwidth,
				     fmax(bandwidth->estimate_before, bandwidth->estimate_bps));
	}
	bandwidth->estimate_before = 0;
}

static void on_loss_window(struct bandwidth *bandwidth, uint64_t now_us)
{
	double excess;

	bandwidth->loss = (double)bandwidth->window_lost / bandwidth->window_count;
	begin_window(bandwidth, now_us);
	judge_last_fall(bandwidth, now_us);
	if (bandwidth->loss < bandwidth->inherent_loss) /* it has become better */
		bandwidth->inherent_loss += 0.2 * (bandwidth->loss - bandwidth->inherent_loss);
	excess = bandwidth->loss - bandwidth->inherent_loss;
	if (excess <= loss_high || bandwidth->estimate_before > 0)
		return;
	bandwidth->loss_before = bandwidth->loss;
	bandwidth->estimate_before = bandwidth->estimate_bps;
	bandwidth->loss_lowered_at_us = now_us;
	lower(bandwidth, bandwidth->estimate_bps * (1 - 0.5 * excess), now_us);
}

/* ---- feedback ---- */

/* The receiver's clock as it goes on: the time nearest to the last one that it can stand for. */
static int64_t unwrap(struct bandwidth *bandwidth, int64_t arrival_us)
{
	int64_t ahead_us = (arrival_us - bandwidth->arrival_us) % arrival_period_us;

	if (ahead_us > arrival_period_us / 2)
		ahead_us -= arrival_period_us;
	else if (ahead_us < -arrival_period_us / 2)
		ahead_us += arrival_period_us;
	bandwidth->arrival_us = bandwidth->heard_at_us ? bandwidth->arrival_us + ahead_us
						       : arrival_period_us + arrival_us;
	return bandwidth->arrival_us;
}

void bandwidth_on_result(struct bandwidth *bandwidth, uint64_t now_us, uint64_t sent_us,
			 size_t byte_count, uint8_t probe, bool has_arrived, int64_t arrival_us)
{
	(void)now_us;
	bandwidth->window_count++;
	bandwidth->window_lost += !has_arrived;
	bandwidth->window_runs += !has_arrived && !bandwidth->is_in_run;
	bandwidth->is_in_run = !has_arrived;
	if (!has_arrived)
		return;
	arrival_us = unwrap(bandwidth, arrival_us);
	rate_add(&bandwidth->arrived, (uint64_t)arrival_us, byte_count);
	if (probe && probe == bandwidth->probe.id) {
		on_probe_result(bandwidth, byte_count, arrival_us);
		return; /* its queue is our own doing */
	}
	delay_trend_on_packet(&bandwidth->trend, (int64_t)sent_us, arrival_us);
}

/* Most is lost, little comes through: the way has become far narrower. */
static bool has_collapsed(const struct bandwidth *bandwidth, double arrived_bps)
{
	double sent_bps = rate_of(&bandwidth->sent, BANDWIDTH_WINDOW_SLOTS / 2);

	/* A queue that is full lets one in now and then; what a moment on the air takes, it takes
	 * at once, and the next packets pass. */
	bool is_full = bandwidth->window_runs >= COLLAPSE_RUNS_MIN ||
		       bandwidth->window_lost >= COLLAPSE_LOST_MIN;

	return is_full && bandwidth->window_count >= LOSS_PACKETS_MIN &&
	       bandwidth->window_lost - bandwidth->inherent_loss * bandwidth->window_count >
		       collapse_loss * bandwidth->window_count &&
	       arrived_bps > 0 && arrived_bps < collapse_arrived * sent_bps;
}

void bandwidth_on_feedback(struct bandwidth *bandwidth, uint64_t now_us, uint64_t rtt_us)
{
	double arrived_bps = rate_of(&bandwidth->arrived, BANDWIDTH_WINDOW_SLOTS);
	double lately_bps = rate_of(&bandwidth->arrived, BANDWIDTH_WINDOW_SLOTS / 2);

	bandwidth->heard_at_us = now_us;
	application_limit_on_sent(&bandwidth->application, now_us, bandwidth->sent_bytes,
				  bandwidth->estimate_bps);
	bandwidth->sent_bytes = 0;
	if (bandwidth->probe.id && bandwidth->probe.packet_count >= PROBE_PACKETS_MIN &&
	    now_us - bandwidth->probe.started_us > rtt_us + LOWER_PAUSE_US)
		finish_probe(bandwidth, now_us);
	if (has_collapsed(bandwidth, lately_bps)) {
		lower(bandwidth, decrease * lately_bps, now_us);
		bandwidth->untested_bps = 0; /* it is not what it was */
		begin_window(bandwidth, now_us);
		return;
	}
	if (bandwidth->trend.verdict == DELAY_OVERUSE)
		on_overuse(bandwidth, now_us, rtt_us,
			   lately_bps > 0 ? fmin(lately_bps, arrived_bps) : 0);
	else if (bandwidth->trend.verdict == DELAY_NORMAL && !bandwidth->application.is_limited &&
		 bandwidth->loss - bandwidth->inherent_loss <= loss_low)
		grow(bandwidth, now_us, rtt_us, arrived_bps);
	else
		bandwidth->grown_at_us = now_us;
	if (bandwidth->trend.verdict == DELAY_OVERUSE)
		bandwidth->trend.verdict = DELAY_NORMAL; /* acted on */
	if (now_us - bandwidth->loss_window_us >= LOSS_WINDOW_US &&
	    bandwidth->window_count >= LOSS_PACKETS_MIN)
		on_loss_window(bandwidth, now_us);
}

int64_t bandwidth_budget_bps(const struct bandwidth *bandwidth, uint64_t now_us)
{
	if (!bandwidth->heard_at_us && bandwidth->stamped_at_us &&
	    now_us - bandwidth->stamped_at_us > SILENT_RECEIVER_US)
		return ALLOCATOR_BUDGET_UNLIMITED;
	return (int64_t)bandwidth->estimate_bps;
}
