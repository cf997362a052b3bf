/* speakers.c - who has the floor in a room, and in a large one who is heard at all. */
#include <stdio.h>

#include "core/log.h"
#include "sfu/edge/room_private.h"

enum { LISTEN_US = 100000, VOICES_MAX = 1024 };

/* The room's audio tracks, in the order of its peers; returns how many. */
static size_t collect(const struct room *room, struct room_track *tracks[VOICES_MAX],
		      struct voice *voices[VOICES_MAX])
{
	struct room_peer *peer;
	size_t count = 0;

	LIST_FOR_EACH (peer, &room->peers, link) {
		struct room_track *track;

		LIST_FOR_EACH (track, &peer->tracks, link) {
			if (track->kind != MEDIA_AUDIO || count == VOICES_MAX)
				continue;
			tracks[count] = track;
			voices[count++] = rtc_track_voice(track->element);
		}
	}
	return count;
}

static bool has_floor(const struct room *room, const struct room_track *track)
{
	return strcmp(track->publisher->peer_id, room->speaker) == 0;
}

/* A peer may have several voices, such as the sound of its screen: the one that spoke last counts.
 */
static int voice_with_floor(const struct room *room, struct room_track *const *tracks,
			    struct voice *const *voices, size_t count)
{
	int found = -1;

	for (size_t i = 0; i < count; i++)
		if (has_floor(room, tracks[i]) &&
		    (found < 0 || voices[i]->spoke_at_us > voices[found]->spoke_at_us))
			found = (int)i;
	return found;
}

static void give_floor(struct room *room, struct room_track *const *tracks,
		       struct voice *const *voices, size_t count, uint64_t now_us)
{
	int current = voice_with_floor(room, tracks, voices, count);
	int chosen = active_speaker_choose(voices, count, current, now_us);

	if (chosen < 0 || has_floor(room, tracks[chosen]))
		return; /* nobody, or the same one, perhaps by another voice */
	(void)snprintf(room->speaker, sizeof(room->speaker), "%s",
		       tracks[chosen]->publisher->peer_id);
	room_tell_speaker(room);
	parts_tell_speaker(room);
	room->are_slots_due = true;
}

uint64_t room_peer_spoke_at_us(const struct room_peer *peer)
{
	struct room_track *track;
	uint64_t last_us = 0;

	LIST_FOR_EACH (track, &peer->tracks, link) {
		uint64_t spoke_at_us = rtc_track_voice(track->element)->spoke_at_us;

		if (track->kind == MEDIA_AUDIO && spoke_at_us > last_us)
			last_us = spoke_at_us;
	}
	return last_us;
}

void room_tell_speaker(const struct room *room)
{
	if (*room->speaker)
		room->context->events->speaker(room->context->events_data, room->room_id,
					       room->speaker);
}

void subscription_set_heard(struct subscription *subscription)
{
	bool is_heard = subscription->track->is_heard;

	if (!subscription->track_pad)
		return;
	rtc_transport_set_layer(subscription->transport_pad, is_heard ? 0 : LAYER_NONE, false);
	rtc_track_set_layers(subscription->track->element, subscription->track_pad,
			     is_heard ? 1 : 0);
}

static void set_heard(struct room_track *track, bool is_heard)
{
	struct room *room = track->publisher->room;
	struct room_peer *peer;

	if (track->is_heard == is_heard)
		return;
	track->is_heard = is_heard;
	room->are_slots_due = true;
	LIST_FOR_EACH (peer, &room->peers, link) {
		struct subscription *subscription;

		LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
			if (subscription->track == track)
				subscription_set_heard(subscription);
		}
	}
}

void room_listen(struct room *room)
{
	struct room_track *tracks[VOICES_MAX];
	struct voice *voices[VOICES_MAX];
	bool heard[VOICES_MAX];
	uint64_t now_us = room->context->port->now_us;
	size_t count, most = room->context->audio_streams_max;

	if (now_us - room->listened_at_us < LISTEN_US)
		return;
	room->listened_at_us = now_us;
	count = collect(room, tracks, voices);
	if (room_decides(room))
		give_floor(room, tracks, voices, count, now_us);
	for (size_t i = 0; i < count; i++)
		heard[i] = tracks[i]->is_heard;
	active_speaker_rank(voices, count, most ? most : count, heard);
	for (size_t i = 0; i < count; i++)
		set_heard(tracks[i], heard[i]);
	room_fill_slots(room);
}
