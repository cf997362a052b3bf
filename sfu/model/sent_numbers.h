/* sent_numbers.h - under which transport-wide number each packet of a stream left, by its RTP
 * sequence number: without RTX a packet that is asked for goes again as it was, to the last byte.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_SENT_NUMBERS_H
#define SFU_MODEL_SENT_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum { SENT_NUMBERS = 1024 }; /* as many as a track keeps of a picture */

struct sent_numbers {
	struct {
		bool is_known;
		uint16_t sequence_number, transport_sequence;
	} packets[SENT_NUMBERS];
};

static inline void sent_numbers_put(struct sent_numbers *numbers, uint16_t sequence_number,
				    uint16_t transport_sequence)
{
	numbers->packets[sequence_number % SENT_NUMBERS].is_known = true;
	numbers->packets[sequence_number % SENT_NUMBERS].sequence_number = sequence_number;
	numbers->packets[sequence_number % SENT_NUMBERS].transport_sequence = transport_sequence;
}

/* False: it was not sent, or too long ago. */
static inline bool sent_numbers_find(const struct sent_numbers *numbers, uint16_t sequence_number,
				     uint16_t *ret_transport_sequence)
{
	if (!numbers->packets[sequence_number % SENT_NUMBERS].is_known ||
	    numbers->packets[sequence_number % SENT_NUMBERS].sequence_number != sequence_number)
		return false;
	*ret_transport_sequence =
		numbers->packets[sequence_number % SENT_NUMBERS].transport_sequence;
	return true;
}

#endif
