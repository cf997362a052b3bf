/* parts_private.h - the inside of parts.h, for its two sources alone. Thread: worker. */
#ifndef SFU_EDGE_PARTS_PRIVATE_H
#define SFU_EDGE_PARTS_PRIVATE_H

#include "sfu/edge/parts.h"
#include "sfu/edge/room_private.h"

struct parts {
	struct bridge_end *end;
	unsigned worker;
	size_t worker_count;
	uint64_t next_id;
	GHashTable *rooms_by_id;       /* of borrowed struct room */
	GHashTable *rooms_by_part;     /* the same */
	GHashTable *exports, *mirrors; /* by number; borrowed */
};

/* A track on its way to another part. */
struct export
{
	struct list link; /* in room_track.exports */
	struct room_track *track;
	struct parts *parts;
	unsigned to; /* the worker */
	uint64_t id; /* of the mirror there as well */
	GstPad *track_pad, *pad;
	unsigned wanted;  /* layers, as bits */
	unsigned begun;	  /* some of these have been sent */
	unsigned damaged; /* of these packets were dropped */
	uint64_t told_voice_us;
};

/* What makes a track a mirror. */
struct mirror {
	struct parts *parts;
	struct room_track *track;
	unsigned from; /* the worker */
	uint64_t id;
	GstPad *pads[LAYERS_MAX]; /* linked to the track's sinks; NULL behind the last */
	bool is_source_congested; /* the way from the publisher */
};

/* A track as the other parts need to know it. */
struct track_told {
	char peer_id[PEER_ID_MAX + 1];
	char mid[SDP_MID_MAX + 1];
	char track_id[TRACK_ID_MAX + 1];
	char source[16];
	enum media_kind kind;
	uint8_t layer_count;
	struct media_format format;
	struct track_names incoming;
};

/* What is seen of it where it comes in: it is not judged by what of it passes the bridge. */
struct track_status {
	uint64_t mirror;
	struct voice voice;
	unsigned off;
	uint8_t spatial_count;
	bool is_congested;
	struct layer_activity layers[LAYERS_MAX];
};

uint64_t parts_new_id(struct parts *parts);

/* mirror.c */
/* NULL: that part is not shown it. */
struct export *export_find(const struct room_track *track, unsigned to);
void export_to(struct room_track *track, unsigned to);
void export_free(struct export *export);
/* False: it is known already, or nothing has been heard since. */
bool export_status(struct export *export, struct track_status *ret_status);
void export_on_wanted(struct export *export, unsigned layers);
void export_on_keyframe_wanted(struct export *export, uint8_t layer);
void mirror_on_track(struct room *room, const struct parcel *parcel);
void mirror_on_gone(struct mirror *mirror);
void mirror_on_packets(struct mirror *mirror, struct parcel *parcel);
void mirror_on_event(struct mirror *mirror, struct parcel *parcel);
void mirror_on_damaged(struct mirror *mirror, uint8_t layer);
void mirror_on_status(struct mirror *mirror, const struct track_status *status);

#endif
