#include "sfu/model/delay_trend.h"

#include <math.h>
#include <string.h>

/* draft-ietf-rmcat-gcc-02, sections 5.2 to 5.5, and the values that browsers have settled on. */
static const double group_span_us = 5000, /* sent within this: one group */
	smoothing = 0.9, gain = 4, points_counted_max = 60, threshold_start_ms = 12.5,
		    threshold_min_ms = 6, threshold_max_ms = 600, threshold_up = 0.0087,
		    threshold_down = 0.039,
		    outlier_ms = 15, /* so far above the threshold does not move it */
	overuse_time_ms = 10;

/* So much later than the one before, and none for so long: a longer way. Of a queue at 200 kbit/s a
 * full packet takes as long, but so does the next. */
static const int64_t jump_us = 50000, jump_pause_us = 1000000;

void delay_trend_init(struct delay_trend *trend)
{
	memset(trend, 0, sizeof(*trend));
	trend->threshold_ms = threshold_start_ms;
}

/* ---- the line through the last points ---- */

static double slope_of(const struct delay_trend *trend)
{
	size_t count =
		trend->point_count < DELAY_TREND_GROUPS ? trend->point_count : DELAY_TREND_GROUPS;
	double mean_at = 0, mean_delay = 0, numerator = 0, denominator = 0;

	for (size_t i = 0; i < count; i++) {
		mean_at += trend->points[i].at_ms / (double)count;
		mean_delay += trend->points[i].delay_ms / (double)count;
	}
	for (size_t i = 0; i < count; i++) {
		double at = trend->points[i].at_ms - mean_at;

		numerator += at * (trend->points[i].delay_ms - mean_delay);
		denominator += at * at;
	}
	return denominator > 0 ? numerator / denominator : 0;
}

/* ---- the detector ---- */

static void adapt_threshold(struct delay_trend *trend, double modified_ms, double now_ms)
{
	double above_ms = fabs(modified_ms) - trend->threshold_ms;
	double elapsed_ms = fmin(now_ms - trend->threshold_at_ms, 100);

	trend->threshold_at_ms = now_ms;
	if (above_ms > outlier_ms)
		return;
	trend->threshold_ms +=
		(above_ms > 0 ? threshold_up : threshold_down) * above_ms * elapsed_ms;
	trend->threshold_ms = fmin(fmax(trend->threshold_ms, threshold_min_ms), threshold_max_ms);
}

static void judge(struct delay_trend *trend, double slope, double elapsed_ms, double now_ms)
{
	double counted = fmin((double)trend->point_count, points_counted_max);
	double modified_ms = counted * slope * gain;

	if (trend->point_count < 2) {
		trend->verdict = DELAY_NORMAL;
	} else if (modified_ms > trend->threshold_ms) {
		trend->over_for_ms += trend->over_count == 0 ? elapsed_ms / 2 : elapsed_ms;
		trend->over_count++;
		/* One late group is no queue: it must last, and not be on its way down already. */
		if (trend->over_for_ms > overuse_time_ms && trend->over_count > 1 &&
		    modified_ms >= trend->previous_trend_ms) {
			trend->over_for_ms = 0;
			trend->over_count = 0;
			trend->verdict = DELAY_OVERUSE;
		}
	} else {
		trend->over_for_ms = 0;
		trend->over_count = 0;
		trend->verdict = modified_ms < -trend->threshold_ms ? DELAY_UNDERUSE : DELAY_NORMAL;
	}
	trend->previous_trend_ms = modified_ms;
	adapt_threshold(trend, modified_ms, now_ms);
}

/* ---- groups ---- */

static void on_group(struct delay_trend *trend)
{
	double arrival_ms =
		(double)(trend->group.last_arrival_us - trend->previous.last_arrival_us) / 1000;
	double sent_ms = (double)(trend->group.last_sent_us - trend->previous.last_sent_us) / 1000;
	double at_ms = (double)trend->group.last_arrival_us / 1000;
	size_t slot = trend->point_count % DELAY_TREND_GROUPS;

	if (trend->point_count == 0) {
		trend->first_at_ms = at_ms;
		trend->threshold_at_ms = at_ms;
	}
	trend->accumulated_ms += arrival_ms - sent_ms;
	trend->smoothed_ms =
		smoothing * trend->smoothed_ms + (1 - smoothing) * trend->accumulated_ms;
	trend->points[slot].at_ms = at_ms - trend->first_at_ms;
	trend->points[slot].delay_ms = trend->smoothed_ms;
	trend->point_count++;
	judge(trend, slope_of(trend), sent_ms > 0 ? sent_ms : 0, at_ms);
}

/* Sent together; or arrived as one burst, which says that they waited for each other on the way. */
static bool belongs(const struct delay_group *group, int64_t sent_us, int64_t arrival_us)
{
	int64_t sent_later_us = sent_us - group->last_sent_us;
	int64_t arrived_later_us = arrival_us - group->last_arrival_us;

	if (sent_us - group->first_sent_us <= (int64_t)group_span_us)
		return true;
	return arrived_later_us - sent_later_us < 0 && arrived_later_us <= (int64_t)group_span_us &&
	       sent_us - group->first_sent_us < 100000;
}

/* ---- a longer way ---- */

/* Notes how late the packet is of the one before it. True: too much for a queue. */
static bool shows_longer_way(struct delay_trend *trend, int64_t sent_us, int64_t arrival_us)
{
	int64_t late_us =
		arrival_us - trend->group.last_arrival_us - (sent_us - trend->group.last_sent_us);
	bool goes_on;

	if (!trend->has_group || late_us < jump_us)
		return false;
	goes_on = trend->has_jumped && arrival_us - trend->jumped_at_us < jump_pause_us;
	trend->has_jumped = true;
	trend->jumped_at_us = arrival_us;
	return !goes_on;
}

/* Nothing is known of the delays from here on. */
static void begin_anew(struct delay_trend *trend)
{
	trend->has_group = trend->has_previous = false;
	trend->point_count = 0;
	trend->accumulated_ms = trend->smoothed_ms = 0;
	trend->threshold_ms = fmax(trend->threshold_ms, threshold_start_ms);
	trend->previous_trend_ms = trend->over_for_ms = 0;
	trend->over_count = 0;
}

void delay_trend_on_packet(struct delay_trend *trend, int64_t sent_us, int64_t arrival_us)
{
	if (trend->has_group && sent_us < trend->group.first_sent_us)
		return; /* of a group that is over */
	if (shows_longer_way(trend, sent_us, arrival_us))
		begin_anew(trend);
	if (trend->has_group && belongs(&trend->group, sent_us, arrival_us)) {
		if (sent_us > trend->group.last_sent_us)
			trend->group.last_sent_us = sent_us;
		if (arrival_us > trend->group.last_arrival_us)
			trend->group.last_arrival_us = arrival_us;
		return;
	}
	if (trend->has_previous)
		on_group(trend);
	if (trend->has_group) {
		trend->previous = trend->group;
		trend->has_previous = true;
	}
	trend->group = (struct delay_group){sent_us, sent_us, arrival_us};
	trend->has_group = true;
}
