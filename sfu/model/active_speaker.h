/* active_speaker.h - who is speaking, by the audio levels that publishers put into their packets
 * (RFC 6464), and who is worth hearing where not everybody can be forwarded.
 *
 * Levels are smoothed; the floor changes only when somebody else has been clearly louder for a
 * while, so that a cough does not take it. Those heard are the ones who spoke last: a new voice
 * takes the place of whoever has been quiet for longest, but of nobody who speaks. Levels are the
 * publisher's claim: a liar is heard, no more.
 *
 * Thread: worker.
 */
#ifndef SFU_MODEL_ACTIVE_SPEAKER_H
#define SFU_MODEL_ACTIVE_SPEAKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SPEAKER_LEVEL_UNKNOWN = 255,	/* the packet tells none */
	SPEAKER_TAKES_OVER_US = 400000, /* so long clearly louder */
	SPEAKER_SILENT_US = 1200000,	/* quiet for so long, and the floor is free */
	SPEAKER_STAYS_US = 500000 /* who is heard is not replaced before being quiet for this */
};

/* One audio track's voice. Zero is somebody not heard yet. */
struct voice {
	double loudness_db; /* 0: silence; smoothed */
	uint64_t heard_at_us;
	uint64_t spoke_at_us;	  /* last above the threshold; 0: never */
	uint64_t louder_since_us; /* than whoever has the floor; 0: is not */
};

/* A packet came, `level` in -dBov: 0 is loudest, 127 silence. */
void voice_on_packet(struct voice *voice, uint8_t level, uint64_t now_us);

/* The one who has the floor now, of `count` voices: its index, or -1 if nobody has spoken.
 * `current` is who had it, -1 for nobody. Call it some times a second. */
int active_speaker_choose(struct voice *const *voices, size_t count, int current, uint64_t now_us);

/* Mark the `most` voices that spoke last in `heard`, which says who is heard now. Of those who
 * never spoke the first ones. */
void active_speaker_rank(struct voice *const *voices, size_t count, size_t most, bool *heard);

#endif
