#include "sfu/model/active_speaker.h"

#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"

static const double loudness_range_db = 127, speaking_db = 77, /* louder than -50 dBov is speech */
	clearly_louder_db = 3, rise_s = 0.05,
		    fall_s = 0.2; /* time constants: a word is heard at once, a pause bridged */

void voice_on_packet(struct voice *voice, uint8_t level, uint64_t now_us)
{
	double elapsed_s = (double)(now_us - voice->heard_at_us) / 1e6, time_s, weight;

	if (level > 127)
		return;
	time_s = loudness_range_db - level > voice->loudness_db ? rise_s : fall_s;
	weight = voice->heard_at_us && elapsed_s < time_s ? elapsed_s / time_s : 1;
	voice->loudness_db += weight * (loudness_range_db - level - voice->loudness_db);
	voice->heard_at_us = now_us;
	if (voice->loudness_db > speaking_db)
		voice->spoke_at_us = now_us;
}

/* Who sends nothing (DTX) is silent. */
static double loudness_of(const struct voice *voice, uint64_t now_us)
{
	return voice->heard_at_us && clock_elapsed_us(voice->heard_at_us, now_us) < 300000
		       ? voice->loudness_db
		       : 0;
}

static int loudest_of(struct voice *const *voices, size_t count, uint64_t now_us)
{
	int loudest = -1;

	for (size_t i = 0; i < count; i++) {
		double loudness_db = loudness_of(voices[i], now_us);

		if (loudness_db > speaking_db &&
		    (loudest < 0 || loudness_db > loudness_of(voices[loudest], now_us)))
			loudest = (int)i;
	}
	return loudest;
}

int active_speaker_choose(struct voice *const *voices, size_t count, int current, uint64_t now_us)
{
	int loudest = loudest_of(voices, count, now_us);
	struct voice *rival;
	double current_db;

	for (size_t i = 0; i < count; i++)
		if ((int)i != loudest)
			voices[i]->louder_since_us = 0;
	if (loudest < 0 || loudest == current)
		return current;
	rival = voices[loudest];
	if (current < 0 ||
	    clock_elapsed_us(voices[current]->spoke_at_us, now_us) > SPEAKER_SILENT_US)
		return loudest;
	current_db = loudness_of(voices[current], now_us);
	if (loudness_of(rival, now_us) < current_db + clearly_louder_db) {
		rival->louder_since_us = 0;
		return current;
	}
	if (!rival->louder_since_us)
		rival->louder_since_us = now_us;
	return now_us - rival->louder_since_us >= SPEAKER_TAKES_OVER_US ? loudest : current;
}

struct ranked {
	size_t index;
	uint64_t spoke_at_us; /* with the advance of who is heard */
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *one = a, *two = b;

	if (one->spoke_at_us != two->spoke_at_us)
		return one->spoke_at_us > two->spoke_at_us ? -1 : 1;
	return one->index < two->index ? -1 : 1;
}

void active_speaker_rank(struct voice *const *voices, size_t count, size_t most, bool *heard)
{
	AUTO_FREE struct ranked *ranked = NULL;

	if (most < count)
		ranked = calloc(count, sizeof(*ranked));
	if (!ranked) { /* room for everybody; or no memory, and then as well */
		memset(heard, true, count * sizeof(*heard));
		return;
	}
	for (size_t i = 0; i < count; i++)
		ranked[i] = (struct ranked){i, voices[i]->spoke_at_us +
						       (heard[i] ? SPEAKER_STAYS_US : 0)};
	qsort(ranked, count, sizeof(*ranked), compare_ranked);
	for (size_t i = 0; i < count; i++)
		heard[ranked[i].index] = i < most;
}
