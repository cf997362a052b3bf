/* send_history.h - what was sent to one receiver lately, by its transport-wide sequence number,
 * until the receiver's feedback tells how it fared.
 *
 * It is as long as the feedback needs to come back: it grows when a packet would be forgotten that
 * may still be told of.
 *
 * Thread: worker. draft-holmer-rmcat-transport-wide-cc-extensions.
 */
#ifndef SFU_MODEL_SEND_HISTORY_H
#define SFU_MODEL_SEND_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"

enum {
	SEND_HISTORY_PACKETS_MIN = 128, /* both are powers of two */
	SEND_HISTORY_PACKETS = 1024,	/* at most: a second of 12 Mbit/s */
	SEND_HISTORY_PATIENCE_US = 3000000
};

struct sent_packet {
	uint32_t sent_us; /* the low half of the clock: it wraps after 71 minutes */
	uint16_t byte_count;
	uint8_t probe; /* which probe it belonged to; 0: none */
	bool is_waiting;
};

struct send_history {
	uint16_t next_sequence, capacity;
	struct sent_packet *packets; /* owned */
};

/* NULL without memory. */
struct send_history *send_history_new(void);
struct send_history *send_history_free(struct send_history *history);
DEFINE_AUTO(send_history, send_history_free);

/* Twice as long; without memory as before. */
void send_history_grow(struct send_history *history);

static inline struct sent_packet *send_history_at(const struct send_history *history,
						  uint16_t sequence)
{
	return &history->packets[sequence & (history->capacity - 1)];
}

/* The number to send it under. */
static inline uint16_t send_history_add(struct send_history *history, uint64_t now_us,
					uint16_t byte_count, uint8_t probe)
{
	uint16_t sequence = history->next_sequence;
	const struct sent_packet *forgotten = send_history_at(history, sequence);

	if (forgotten->is_waiting && history->capacity < SEND_HISTORY_PACKETS &&
	    (uint32_t)now_us - forgotten->sent_us < SEND_HISTORY_PATIENCE_US)
		send_history_grow(history);
	history->next_sequence++;
	*send_history_at(history, sequence) =
		(struct sent_packet){(uint32_t)now_us, byte_count, probe, true};
	return sequence;
}

/* What was sent under this number, told of for the first time; NULL: too long ago, or never. */
static inline struct sent_packet *send_history_take(struct send_history *history, uint16_t sequence)
{
	struct sent_packet *packet = send_history_at(history, sequence);

	if ((uint16_t)(history->next_sequence - 1 - sequence) >= history->capacity ||
	    !packet->is_waiting)
		return NULL;
	packet->is_waiting = false;
	return packet;
}

#endif
