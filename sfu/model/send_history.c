#include "sfu/model/send_history.h"

struct send_history *send_history_new(void)
{
	AUTO(send_history) history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->capacity = SEND_HISTORY_PACKETS_MIN;
	history->packets = calloc(history->capacity, sizeof(*history->packets));
	return history->packets ? STEAL(history) : NULL;
}

struct send_history *send_history_free(struct send_history *history)
{
	if (!history)
		return NULL;
	free(history->packets);
	free(history);
	return NULL;
}

void send_history_grow(struct send_history *history)
{
	const struct send_history before = *history;
	struct sent_packet *packets = calloc(2u * before.capacity, sizeof(*packets));

	if (!packets)
		return;
	history->capacity = (uint16_t)(2 * before.capacity);
	history->packets = packets;
	for (uint16_t age = 1; age <= before.capacity; age++) {
		uint16_t sequence = (uint16_t)(before.next_sequence - age);

		*send_history_at(history, sequence) = *send_history_at(&before, sequence);
	}
	free(before.packets);
}
