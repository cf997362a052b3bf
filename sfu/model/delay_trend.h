/* delay_trend.h - does a queue build up on the way? The delay of packets, as their send and arrival
 * times tell it, against a threshold that adapts to how much it varies anyway.
 *
 * After draft-ietf-rmcat-gcc-02: packets that were sent together form a group (section 5.2); the
 * gradient of the groups' accumulated delay is taken by a line fitted through the last of them, and
 * judged by the over-use detector (section 5.4).
 *
 * A queue builds up packet by packet. Where one comes much later than the one before it and those
 * behind it do not, the way itself has become longer, or stood still for a moment: that is left
 * out, and what varies about the new way is to be learned anew.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_DELAY_TREND_H
#define SFU_MODEL_DELAY_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DELAY_TREND_GROUPS = 20 };

enum delay_verdict { DELAY_NORMAL, DELAY_OVERUSE, DELAY_UNDERUSE };

struct delay_group {
	int64_t first_sent_us, last_sent_us, last_arrival_us;
};

struct delay_trend {
	bool has_group, has_previous;
	struct delay_group group, previous;
	double accumulated_ms, smoothed_ms;
	struct { /* the last groups: when, and how late by then */
		double at_ms, delay_ms;
	} points[DELAY_TREND_GROUPS];
	size_t point_count; /* of all time, or since it began anew */
	double first_at_ms;
	bool has_jumped;
	int64_t jumped_at_us; /* when one last came much later than the one before */
	double threshold_ms, previous_trend_ms, over_for_ms;
	double threshold_at_ms;
	unsigned over_count;
	enum delay_verdict verdict;
};

void delay_trend_init(struct delay_trend *trend);
/* A packet arrived, in the order of their feedback; both times µs, each of one clock of its own. */
void delay_trend_on_packet(struct delay_trend *trend, int64_t sent_us, int64_t arrival_us);

#endif
