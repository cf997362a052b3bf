#include "sfu/model/arrival_log.h"

#include "core/clock.h"
#include "sfu/wire/rtcp.h"
#include "sfu/wire/rtp.h"

static uint64_t *slot(struct arrival_log *log, uint16_t sequence)
{
	return &log->arrivals_us[sequence & (ARRIVAL_LOG_PACKETS - 1)];
}

enum { NEAR_PACKETS = 64 };

/* When the first packet came that stands behind this one, and not far; 0: none has. */
static uint64_t overtaken_at_us(struct arrival_log *log, uint16_t sequence)
{
	for (int i = 0; i < NEAR_PACKETS && sequence != log->highest_sequence; i++)
		if (*slot(log, ++sequence))
			return *slot(log, sequence);
	return 0;
}

static void note_late(struct arrival_log *log, uint16_t sequence, uint64_t now_us)
{
	uint64_t overtaken_us = overtaken_at_us(log, sequence);
	uint64_t late_us = clock_elapsed_us(overtaken_us, now_us);

	if (!overtaken_us || late_us > ARRIVAL_LOG_LATE_MAX_US)
		return;
	if (late_us > arrival_log_late_us(log, now_us))
		log->late_us = late_us;
	log->late_at_us = now_us;
}

uint64_t arrival_log_late_us(const struct arrival_log *log, uint64_t now_us)
{
	return now_us - log->late_at_us < ARRIVAL_LOG_LATE_REMEMBERED_US ? log->late_us : 0;
}

void arrival_log_on_packet(struct arrival_log *log, uint16_t transport_sequence, uint32_t ssrc,
			   uint64_t now_us)
{
	log->media_ssrc = ssrc;
	if (!log->has_packet) {
		log->has_packet = true;
		log->next_to_report = transport_sequence;
		log->highest_sequence = (uint16_t)(transport_sequence - 1);
	}
	if (rtp_sequence_is_newer(transport_sequence, log->highest_sequence)) {
		uint16_t gap = (uint16_t)(transport_sequence - log->highest_sequence);

		if (gap >= ARRIVAL_LOG_PACKETS) { /* a jump: begin anew */
			log->next_to_report = transport_sequence;
			gap = 1;
		}
		for (uint16_t i = 1; i < gap; i++)
			*slot(log, (uint16_t)(log->highest_sequence + i)) = 0;
		log->highest_sequence = transport_sequence;
		/* Never report further back than we remember. */
		if ((uint16_t)(transport_sequence - log->next_to_report) >= ARRIVAL_LOG_PACKETS)
			log->next_to_report =
				(uint16_t)(transport_sequence - ARRIVAL_LOG_PACKETS + 1);
	} else if ((uint16_t)(log->highest_sequence - transport_sequence) >= ARRIVAL_LOG_PACKETS) {
		return;
	} else {
		if (!*slot(log, transport_sequence))
			note_late(log, transport_sequence, now_us);
		if (rtp_sequence_is_newer(log->next_to_report, transport_sequence))
			log->next_to_report = transport_sequence; /* told again, now as received */
	}
	*slot(log, transport_sequence) = now_us;
}

/* How many of the next `count` can be told of now. */
static size_t settled_count(struct arrival_log *log, size_t count, uint64_t now_us)
{
	uint64_t late_us = arrival_log_late_us(log, now_us), behind_us = now_us;
	size_t settled = count;

	for (size_t i = count; late_us > 0 && i-- > 0;) {
		uint64_t came_us = *slot(log, (uint16_t)(log->next_to_report + i));

		if (came_us)
			behind_us = came_us;
		else if (now_us - behind_us < late_us)
			settled = i;
	}
	return settled;
}

bool arrival_log_write(struct arrival_log *log, uint32_t sender_ssrc, uint64_t now_us,
		       struct writer *writer)
{
	uint64_t arrivals_us[ARRIVAL_LOG_PACKETS];
	uint16_t base = log->next_to_report;
	size_t count, told;

	if (!log->has_packet)
		return false;
	count = (uint16_t)(log->highest_sequence - base + 1);
	if (count == 0 || count > ARRIVAL_LOG_PACKETS)
		return false;
	count = settled_count(log, count, now_us);
	for (size_t i = 0; i < count; i++)
		arrivals_us[i] = *slot(log, (uint16_t)(base + i));
	told = rtcp_write_transport_feedback(writer, sender_ssrc, log->media_ssrc, base,
					     arrivals_us, count, log->feedback_count);
	if (told == 0)
		return false;
	log->feedback_count++;
	log->next_to_report = (uint16_t)(base + told);
	return true;
}
