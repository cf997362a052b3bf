/* layer_pulse.h - does a layer still beat? A publisher whose way has become too narrow leaves its
 * largest layer off without a word: what tells is that others go on without it.
 *
 * A layer is gone where another one has begun several pictures since the last packet of this one,
 * which by its own rhythm should have begun as many. Where all are silent the picture stands still.
 * Of a small layer whole pictures are single packets, so that loss alone looks like it: what
 * matters is how many packets in a row would have to be lost. Encoders leave out some pictures
 * after a large one as well: a layer that comes back at once is waited for longer from then on.
 *
 * Pure: it is told the time. Thread: worker.
 */
#ifndef SFU_MODEL_LAYER_PULSE_H
#define SFU_MODEL_LAYER_PULSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	LAYER_PULSE_PICTURES = 2, /* missed in a row, and */
	LAYER_PULSE_PACKETS = 6,
	LAYER_PULSE_PICTURES_MORE = 4, /* at the most, for one that came back at once */
	LAYER_PULSE_AT_ONCE_US = 500000,
	LAYER_PULSE_UNKNOWN_US = 300000, /* waited for a layer without a rhythm */
	LAYER_PULSE_MOST_US = 1000000
};

/* Zero: nothing came yet. */
struct layer_pulse {
	uint64_t last_packet_us; /* 0: never */
	bool has_picture;
	uint32_t rtp_timestamp; /* of the newest picture */
	unsigned packet_count;	/* of it */
	/* What is usual, smoothed; 0: not known. */
	uint64_t interval_us;	     /* between two pictures */
	unsigned packets_hundredths; /* in one */
	unsigned pictures_more;	     /* it may miss, besides LAYER_PULSE_PICTURES */
	/* When its newest pictures began to come; `next` is the oldest one's place. */
	uint64_t began_us[LAYER_PULSE_PICTURES];
	unsigned next;
};

void layer_pulse_on_packet(struct layer_pulse *pulse, uint32_t rtp_timestamp, uint64_t now_us);
/* Before its next packet: it was taken for gone until now. */
void layer_pulse_on_return(struct layer_pulse *pulse, uint64_t now_us);

/* Has `pulse` been left off, as `other`, a layer of the same picture, shows? */
bool layer_pulse_is_gone(const struct layer_pulse *pulse, const struct layer_pulse *other);

#endif
