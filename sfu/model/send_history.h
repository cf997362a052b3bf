/* send_history.h - what was sent to one receiver lately, by its transport-wide sequence number,
 * until the receiver's feedback tells how it fared.
 *
 * Thread: worker. draft-holmer-rmcat-transport-wide-cc-extensions.
 */
#ifndef SFU_MODEL_SEND_HISTORY_H
#define SFU_MODEL_SEND_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

enum { SEND_HISTORY_PACKETS = 1024 }; /* a second of 12 Mbit/s */

struct sent_packet {
	uint32_t sent_us; /* the low half of the clock: it wraps after 71 minutes */
	uint16_t byte_count;
	uint8_t probe; /* which probe it belonged to; 0: none */
	bool is_waiting;
};

struct send_history {
	uint16_t next_sequence;
	struct sent_packet packets[SEND_HISTORY_PACKETS];
};

/* The number to send it under. */
static inline uint16_t send_history_add(struct send_history *history, uint64_t now_us,
					uint16_t byte_count, uint8_t probe)
{
	uint16_t sequence = history->next_sequence++;

	history->packets[sequence % SEND_HISTORY_PACKETS] =
		(struct sent_packet){(uint32_t)now_us, byte_count, probe, true};
	return sequence;
}

/* What was sent under this number, told of for the first time; NULL: too long ago, or never. */
static inline struct sent_packet *send_history_take(struct send_history *history, uint16_t sequence)
{
	struct sent_packet *packet = &history->packets[sequence % SEND_HISTORY_PACKETS];

	if ((uint16_t)(history->next_sequence - 1 - sequence) >= SEND_HISTORY_PACKETS ||
	    !packet->is_waiting)
		return NULL;
	packet->is_waiting = false;
	return packet;
}

#endif
