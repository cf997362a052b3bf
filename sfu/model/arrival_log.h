/* arrival_log.h - when each packet of a publisher's transport came, by transport-wide sequence
 * number, until it is fed back (draft-holmer-rmcat-transport-wide-cc-extensions-01), so that the
 * publisher can estimate its uplink.
 *
 * Where packets overtake each other, those that are overtaken would be told of as lost whenever
 * feedback is due meanwhile, and again with each one that comes late: an estimator takes that for
 * congestion. So what may still come by itself is not told of yet, nor what came after it. Thread:
 * worker. */
#ifndef SFU_MODEL_ARRIVAL_LOG_H
#define SFU_MODEL_ARRIVAL_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cursor.h"

enum {
	ARRIVAL_LOG_PACKETS = 1024,
	ARRIVAL_LOG_LATE_MAX_US = 50000,	 /* what comes later was as good as lost */
	ARRIVAL_LOG_LATE_REMEMBERED_US = 5000000 /* then all come in order again */
};

struct arrival_log {
	bool has_packet;
	uint16_t next_to_report, highest_sequence;
	uint8_t feedback_count;
	uint32_t media_ssrc;	      /* any of the transport's, for the header */
	uint64_t late_us, late_at_us; /* by how much some came late, at most; when the last did */
	uint64_t arrivals_us[ARRIVAL_LOG_PACKETS]; /* 0: not received */
};

void arrival_log_on_packet(struct arrival_log *log, uint16_t transport_sequence, uint32_t ssrc,
			   uint64_t now_us);
/* Append one feedback packet if there is something to tell. False: nothing (more) to tell. */
bool arrival_log_write(struct arrival_log *log, uint32_t sender_ssrc, uint64_t now_us,
		       struct writer *writer);
/* How long after it was overtaken a packet may still come by itself; 0: they come in order. */
uint64_t arrival_log_late_us(const struct arrival_log *log, uint64_t now_us);

#endif
