/* bridge.h - the lanes between workers: what one of them hands to another, in order.
 *
 * A parcel is posted to a lane of the sender's own and goes over at the end of its turn, all
 * parcels for one worker under one lock and with one wake. Packets travel by reference: nobody
 * writes into them any more. A worker that does not keep up is given no more packets
 * (bridge_accepts()); what is not a packet always gets through.
 *
 * Thread: main for bridge_new and bridge_free; an end belongs to its worker.
 */
#ifndef SFU_EDGE_BRIDGE_H
#define SFU_EDGE_BRIDGE_H

#include <gst/gst.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum { BRIDGE_PACKETS_MAX = 4096 }; /* waiting for one worker */

enum parcel_kind {
	/* About a part of a room; parts.c. */
	PARCEL_PART, /* `sender_part` is there. `part` 0: whoever has one of `body`, a room id */
	PARCEL_PART_TOLD, /* that was all that I have for you */
	PARCEL_PART_GONE,
	PARCEL_SPEAKER, /* `body`: a peer id */
	PARCEL_STATUS,	/* `body`: `count` of struct track_status */
	/* About a mirror, `mirror`; mirror.c. */
	PARCEL_TRACK, /* `body`: struct track_told */
	PARCEL_TRACK_GONE,
	PARCEL_PACKETS,
	PARCEL_EVENT,
	PARCEL_DAMAGED,	 /* packets of `layer` were dropped on the way */
	PARCEL_WANTED,	 /* upstream: `layers` of it are wanted, as bits */
	PARCEL_KEYFRAME, /* upstream: of `layer` */
};

struct parcel {
	struct parcel *next;
	enum parcel_kind kind;
	unsigned from; /* the worker; filled in by bridge_post() */
	uint64_t part, sender_part, mirror;
	uint8_t layer;
	unsigned layers;
	size_t count;
	void *body;	     /* free()d with the parcel */
	GstBufferList *list; /* owned, as is the event */
	GstEvent *event;
};

struct parcel *parcel_new(enum parcel_kind kind);
struct parcel *parcel_free(struct parcel *parcel);

struct bridge;
struct bridge_end;

/* NULL without memory. */
struct bridge *bridge_new(size_t worker_count);
/* When no worker is left; what nobody has taken is thrown away. */
struct bridge *bridge_free(struct bridge *bridge);

struct bridge_end *bridge_end_new(struct bridge *bridge, unsigned worker);
struct bridge_end *bridge_end_free(struct bridge_end *end);
size_t bridge_worker_count(const struct bridge_end *end);
/* Readable when something has come. */
int bridge_end_fd(const struct bridge_end *end);

/* Is there room for packets toward this worker? */
bool bridge_accepts(const struct bridge_end *end, unsigned to);
/* `parcel` is taken. NULL (nothing, for want of memory) is let pass, and counted as dropped. */
void bridge_post(struct bridge_end *end, unsigned to, struct parcel *parcel);
/* Whether a worker has too much to do (overload.h), as it said last. */
void bridge_say_busy(struct bridge_end *end, bool is_busy);
bool bridge_is_busy(const struct bridge_end *end, unsigned worker);
void bridge_note_dropped(struct bridge_end *end, size_t packets);
uint64_t bridge_dropped(const struct bridge_end *end);
/* Hand over what was posted. */
void bridge_flush(struct bridge_end *end);
/* What has come, a chain by `next`, the caller's; NULL: nothing. */
struct parcel *bridge_take(struct bridge_end *end);

#endif
