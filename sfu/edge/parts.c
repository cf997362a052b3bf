#include "sfu/edge/parts.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/log.h"
#include "sfu/edge/parts_private.h"

enum { TELL_US = 40000 /* how things stand: well below what makes a layer look silent */ };

/* ---- life ---- */

struct parts *parts_new(struct bridge *bridge, unsigned worker)
{
	struct parts *parts = calloc(1, sizeof(*parts));

	if (!parts)
		return NULL;
	parts->end = bridge_end_new(bridge, worker);
	if (!parts->end) {
		free(parts);
		return NULL;
	}
	parts->worker = worker;
	parts->worker_count = bridge_worker_count(parts->end);
	parts->rooms_by_id = g_hash_table_new(g_str_hash, g_str_equal);
	parts->rooms_by_part = g_hash_table_new(g_int64_hash, g_int64_equal);
	parts->exports = g_hash_table_new(g_int64_hash, g_int64_equal);
	parts->mirrors = g_hash_table_new(g_int64_hash, g_int64_equal);
	return parts;
}

struct parts *parts_free(struct parts *parts)
{
	if (!parts)
		return NULL;
	g_hash_table_unref(parts->rooms_by_id);
	g_hash_table_unref(parts->rooms_by_part);
	g_hash_table_unref(parts->exports);
	g_hash_table_unref(parts->mirrors);
	(void)bridge_end_free(parts->end);
	free(parts);
	return NULL;
}

int parts_fd(const struct parts *parts)
{
	return bridge_end_fd(parts->end);
}

void parts_flush(struct parts *parts)
{
	bridge_flush(parts->end);
}

uint64_t parts_dropped(const struct parts *parts)
{
	return bridge_dropped(parts->end);
}

/* No two workers, and no two of one worker, ever have the same. */
uint64_t parts_new_id(struct parts *parts)
{
	return ++parts->next_id * parts->worker_count + parts->worker;
}

/* ---- saying ---- */

static struct parcel *parcel_about(const struct room *room, enum parcel_kind kind, unsigned to,
				   const char *text)
{
	struct parcel *parcel = parcel_new(kind);

	if (!parcel)
		return NULL;
	parcel->part = room->others[to];
	parcel->sender_part = room->part_id;
	parcel->body = text ? strdup(text) : NULL;
	return text && !parcel->body ? parcel_free(parcel) : parcel;
}

static void post(const struct room *room, enum parcel_kind kind, unsigned to, const char *text)
{
	bridge_post(room->context->parts->end, to, parcel_about(room, kind, to, text));
}

void parts_add_room(struct room *room)
{
	struct parts *parts = room->context->parts;

	if (!parts)
		return;
	room->part_id = parts_new_id(parts);
	room->others = g_new0(uint64_t, parts->worker_count);
	(void)g_hash_table_insert(parts->rooms_by_id, room->room_id, room);
	(void)g_hash_table_insert(parts->rooms_by_part, &room->part_id, room);
	for (unsigned i = 0; i < parts->worker_count; i++) {
		if (i == parts->worker)
			continue;
		post(room, PARCEL_PART, i, room->room_id);
		room->awaited++;
	}
}

void parts_remove_room(struct room *room)
{
	struct parts *parts = room->context->parts;

	if (!parts)
		return;
	for (unsigned i = 0; i < parts->worker_count; i++)
		if (room->others[i])
			post(room, PARCEL_PART_GONE, i, NULL);
	(void)g_hash_table_remove(parts->rooms_by_id, room->room_id);
	(void)g_hash_table_remove(parts->rooms_by_part, &room->part_id);
	g_free(room->others);
	room->others = NULL;
}

bool room_decides(const struct room *room)
{
	if (!room->others)
		return true;
	for (unsigned i = 0; i < room->context->parts->worker; i++)
		if (room->others[i])
			return false;
	return room->awaited == 0;
}

void parts_tell_speaker(const struct room *room)
{
	for (unsigned i = 0; room->others && i < room->context->parts->worker_count; i++)
		if (room->others[i])
			post(room, PARCEL_SPEAKER, i, room->speaker);
}

bool parts_are_busy(const struct room *room)
{
	const struct parts *parts = room->context->parts;

	for (unsigned i = 0; room->others && i < parts->worker_count; i++)
		if (room->others[i] && bridge_is_busy(parts->end, i))
			return true;
	return false;
}

void parts_say_busy(struct parts *parts, bool is_busy)
{
	bridge_say_busy(parts->end, is_busy);
}

void room_track_export(struct room_track *track)
{
	const struct room *room = track->publisher->room;

	for (unsigned i = 0; room->others && i < room->context->parts->worker_count; i++)
		if (room->others[i])
			export_to(track, i);
}

/* How the tracks stand that are shown there; `statuses` NULL: how many at most. */
static size_t collect_status(const struct room *room, unsigned to, struct track_status *statuses)
{
	struct room_peer *peer;
	size_t count = 0;

	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;

		LIST_FOR_EACH (track, &peer->tracks, link) {
			struct export *export = export_find(track, to);

			if (export && (!statuses || export_status(export, &statuses[count])))
				count++;
		}
	}
	return count;
}

static void tell_status(const struct room *room, unsigned to)
{
	size_t most = collect_status(room, to, NULL), count = 0;
	struct track_status *statuses = most > 0 ? calloc(most, sizeof(*statuses)) : NULL;
	struct parcel *parcel;

	if (statuses)
		count = collect_status(room, to, statuses);
	parcel = count > 0 ? parcel_about(room, PARCEL_STATUS, to, NULL) : NULL;
	if (!parcel) {
		free(statuses);
		return; /* the next one will tell */
	}
	parcel->count = count;
	parcel->body = statuses;
	bridge_post(room->context->parts->end, to, parcel);
}

void parts_tick(struct room *room)
{
	uint64_t now_us = room->context->port->now_us;

	if (!room->others || now_us - room->told_at_us < TELL_US)
		return;
	room->told_at_us = now_us;
	for (unsigned i = 0; i < room->context->parts->worker_count; i++)
		if (room->others[i])
			tell_status(room, i);
}

/* ---- hearing ---- */

static void tell_all(struct room *room, unsigned to)
{
	struct room_peer *peer;

	post(room, PARCEL_PART, to, NULL);
	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;

		if (peer->kind == PEER_REMOTE)
			continue;
		LIST_FOR_EACH (track, &peer->tracks, link) {
			export_to(track, to);
		}
	}
	if (*room->speaker) /* to whoever decides from now on */
		post(room, PARCEL_SPEAKER, to, room->speaker);
}

/* Its exports end, and its peers are not shown any more. */
static void forget_part(struct room *room, unsigned worker)
{
	struct room_peer *peer;

	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;

		if (peer->kind == PEER_REMOTE && peer->worker == worker) {
			room_peer_free(peer);
			continue;
		}
		LIST_FOR_EACH (track, &peer->tracks, link) {
			struct export *export = export_find(track, worker);

			if (export)
				export_free(export);
		}
	}
	room->others[worker] = 0;
	LOG(LOG_DEBUG, LOG_WEBRTC, "part_gone", LOG_TEXT("room", room->room_id),
	    LOG_INT("here", room->context->parts->worker), LOG_INT("there", worker));
}

static void on_part(struct parts *parts, const struct parcel *parcel)
{
	bool is_greeting = parcel->part == 0;
	struct room *room = is_greeting ? g_hash_table_lookup(parts->rooms_by_id, parcel->body)
					: g_hash_table_lookup(parts->rooms_by_part, &parcel->part);
	struct parcel *done;

	if (room && room->others[parcel->from] != parcel->sender_part) {
		if (room->others[parcel->from])
			forget_part(room, parcel->from);
		room->others[parcel->from] = parcel->sender_part;
		LOG(LOG_DEBUG, LOG_WEBRTC, "part_met", LOG_TEXT("room", room->room_id),
		    LOG_INT("here", parts->worker), LOG_INT("there", parcel->from));
		tell_all(room, parcel->from);
	}
	if (!is_greeting)
		return;
	done = parcel_new(PARCEL_PART_TOLD);
	if (done)
		done->part = parcel->sender_part;
	bridge_post(parts->end, parcel->from, done);
}

static void on_speaker(struct room *room, const char *peer_id)
{
	(void)snprintf(room->speaker, sizeof(room->speaker), "%s", peer_id);
	room->are_slots_due = true;
}

static void on_status(struct parts *parts, const struct parcel *parcel)
{
	const struct track_status *statuses = parcel->body;

	for (size_t i = 0; i < parcel->count; i++) {
		struct mirror *mirror = g_hash_table_lookup(parts->mirrors, &statuses[i].mirror);

		if (mirror)
			mirror_on_status(mirror, &statuses[i]);
	}
}

/* True: the room has heard from all. */
static bool on_room_parcel(struct parts *parts, const struct parcel *parcel)
{
	struct room *room = g_hash_table_lookup(parts->rooms_by_part, &parcel->part);

	if (!room)
		return false; /* it has ended */
	if (parcel->kind == PARCEL_PART_TOLD)
		return room->awaited > 0 && --room->awaited == 0;
	if (parcel->kind == PARCEL_TRACK)
		mirror_on_track(room, parcel);
	else if (parcel->kind == PARCEL_SPEAKER)
		on_speaker(room, parcel->body);
	else if (parcel->kind == PARCEL_PART_GONE &&
		 room->others[parcel->from] == parcel->sender_part)
		forget_part(room, parcel->from);
	return false;
}

static void on_mirror_parcel(struct parts *parts, struct parcel *parcel)
{
	struct mirror *mirror = g_hash_table_lookup(parts->mirrors, &parcel->mirror);

	if (!mirror)
		return;
	if (parcel->kind == PARCEL_PACKETS)
		mirror_on_packets(mirror, parcel);
	else if (parcel->kind == PARCEL_EVENT)
		mirror_on_event(mirror, parcel);
	else if (parcel->kind == PARCEL_DAMAGED)
		mirror_on_damaged(mirror, parcel->layer);
	else if (parcel->kind == PARCEL_TRACK_GONE)
		mirror_on_gone(mirror);
}

static void on_export_parcel(struct parts *parts, const struct parcel *parcel)
{
	struct export *export = g_hash_table_lookup(parts->exports, &parcel->mirror);

	if (!export)
		return;
	if (parcel->kind == PARCEL_WANTED)
		export_on_wanted(export, parcel->layers);
	else
		export_on_keyframe_wanted(export, parcel->layer);
}

static bool take(struct parts *parts, struct parcel *parcel)
{
	switch (parcel->kind) {
	case PARCEL_PART:
		on_part(parts, parcel);
		return false;
	case PARCEL_PART_TOLD:
	case PARCEL_PART_GONE:
	case PARCEL_SPEAKER:
	case PARCEL_TRACK:
		return on_room_parcel(parts, parcel);
	case PARCEL_STATUS:
		on_status(parts, parcel);
		return false;
	case PARCEL_TRACK_GONE:
	case PARCEL_PACKETS:
	case PARCEL_EVENT:
	case PARCEL_DAMAGED:
		on_mirror_parcel(parts, parcel);
		return false;
	case PARCEL_WANTED:
	case PARCEL_KEYFRAME:
		on_export_parcel(parts, parcel);
		return false;
	}
	return false;
}

bool parts_receive(struct parts *parts, uint64_t *now_us)
{
	struct parcel *parcel = bridge_take(parts->end);
	bool has_heard_all = false;

	if (parcel)
		*now_us = clock_now_us(); /* nothing in it is of the future */
	while (parcel) {
		struct parcel *next = parcel->next;

		has_heard_all |= take(parts, parcel);
		(void)parcel_free(parcel);
		parcel = next;
	}
	return has_heard_all;
}
