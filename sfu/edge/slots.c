/* slots.c - large rooms over a fixed number of m-lines.
 *
 * A peer has at most as many m-lines for the tracks of others as are ever forwarded to it at once
 * (WEBRTC_AUDIO_STREAMS, WEBRTC_VIDEO_STREAMS). While there are no more tracks than that, each has
 * a line of its own for as long as it lives. From then on the lines are slots: when somebody else
 * speaks, a slot goes on with that track, under the same SSRC and with numbers that go on, and the
 * peer is told by a message what it shows now. Nothing is negotiated, however many come, speak and
 * go. */
#include "core/log.h"
#include "sfu/edge/room_private.h"

enum {
	/* Somebody must have been quiet for so much longer than who comes in the place. */
	VIDEO_STAYS_US = 2000000,
	LOOK_AGAIN_US = 1000000
};

static size_t slots_of_kind(const struct room *room, enum media_kind kind)
{
	return kind == MEDIA_VIDEO ? room->context->video_streams_max
				   : room->context->audio_streams_max;
}

static size_t used_slots(const struct room_peer *peer, enum media_kind kind)
{
	struct subscription *subscription;
	size_t count = 0;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		count += subscription->track->kind == kind && !subscription->is_refused;
	}
	return count;
}

bool room_peer_has_slot(const struct room_peer *peer, enum media_kind kind)
{
	size_t most = slots_of_kind(peer->room, kind);

	return most == 0 || used_slots(peer, kind) < most;
}

static bool is_shown(const struct room_peer *peer, const struct room_track *track)
{
	struct subscription *subscription;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (subscription->track == track)
			return true;
	}
	return false;
}

/* ---- one slot goes on with another track ---- */

static bool can_show(const struct subscription *subscription, const struct room_track *track)
{
	return subscription->track_pad && subscription->track != track &&
	       subscription->subscriber != track->publisher &&
	       media_format_is_same(&subscription->track->format, &track->format);
}

/* -ENOENT: its line is gone. */
static int rebind(struct subscription *subscription, struct room_track *track)
{
	struct room_peer *peer = subscription->subscriber;
	const struct media_line *line = negotiation_rename_send(
		&peer->negotiation, subscription, track->publisher->peer_id, track->track_id);

	if (!line)
		return -ENOENT;
	(void)gst_pad_unlink(subscription->track_pad, subscription->transport_pad);
	rtc_track_remove_consumer(subscription->track->element, subscription->track_pad);
	subscription->track = track;
	allocator_stream_init(&subscription->allocation);
	subscription->priority = ALLOCATOR_PRIORITY_DEFAULT;
	subscription->is_unwanted = false;
	rtc_transport_send_other(subscription->transport_pad, line, track->element,
				 track->incoming.extension_ids);
	subscription->track_pad = rtc_track_add_consumer(track->element);
	(void)gst_pad_link_full(subscription->track_pad, subscription->transport_pad,
				GST_PAD_LINK_CHECK_NOTHING);
	subscription_tell_slot(subscription, line->mid);
	if (track->kind == MEDIA_VIDEO)
		room_peer_choose_layers(peer);
	else
		subscription_set_heard(subscription);
	return 0;
}

void subscription_tell_slot(const struct subscription *subscription, const char *mid)
{
	const struct room_track *track = subscription->track;
	const struct room_context *context = track->publisher->room->context;

	context->events->slot(context->events_data, track->publisher->room->room_id,
			      subscription->subscriber->peer_id, mid, track->publisher->peer_id,
			      track->track_id);
}

/* ---- who deserves one ---- */

/* Who has spoken lately; for sound, who is forwarded at all, and be it without a word so far. */
static uint64_t rank(const struct room_track *track)
{
	uint64_t spoke_at_us = room_peer_spoke_at_us(track->publisher);

	if (track->kind == MEDIA_AUDIO)
		return track->is_heard ? spoke_at_us + 1 : 0;
	return spoke_at_us;
}

/* The best of those without a slot; NULL: there is none. Most have not spoken, and are passed over
 * without a look at who is shown. */
static struct room_track *best_waiting(const struct room_peer *peer, enum media_kind kind)
{
	struct room_track *best = NULL;
	struct room_peer *other;

	LIST_FOR_EACH (other, &peer->room->peers, link) {
		struct room_track *track;

		if (other == peer)
			continue;
		LIST_FOR_EACH (track, &other->tracks, link) {
			if (track->kind == kind && (!best || rank(track) > rank(best)) &&
			    !is_shown(peer, track))
				best = track;
		}
	}
	return best;
}

static struct subscription *worst_shown(const struct room_peer *peer,
					const struct room_track *instead_for)
{
	struct subscription *subscription, *worst = NULL;

	LIST_FOR_EACH (subscription, &peer->subscriptions, link) {
		if (subscription->priority > ALLOCATOR_PRIORITY_DEFAULT || /* it asked for it */
		    subscription->track->kind != instead_for->kind ||
		    !can_show(subscription, instead_for))
			continue;
		if (!worst || rank(subscription->track) < rank(worst->track))
			worst = subscription;
	}
	return worst;
}

static bool is_worth_it(const struct room_track *waiting, const struct room_track *shown)
{
	if (waiting->kind == MEDIA_AUDIO)
		return waiting->is_heard && !shown->is_heard;
	return rank(waiting) > rank(shown) + VIDEO_STAYS_US;
}

/* True: there may be more to do. */
static bool improve(struct room_peer *peer, enum media_kind kind)
{
	struct room_track *waiting = best_waiting(peer, kind);
	struct subscription *worst;

	if (!waiting)
		return false;
	if (room_peer_has_slot(peer, kind)) {
		room_peer_subscribe(peer, waiting);
		return is_shown(peer, waiting);
	}
	worst = worst_shown(peer, waiting);
	return worst && is_worth_it(waiting, worst->track) && rebind(worst, waiting) == 0;
}

void room_fill_slots(struct room *room)
{
	uint64_t now_us = room->context->port->now_us;
	struct room_peer *peer;

	/* Whom it is worth to show may change by time alone. */
	if (!room->are_slots_due && now_us - room->slots_filled_us < LOOK_AGAIN_US)
		return;
	room->are_slots_due = false;
	room->slots_filled_us = now_us;
	LIST_FOR_EACH (peer, &room->peers, link) {
		if (peer->kind != PEER_CALL || !peer->is_connected)
			continue;
		room->are_slots_due |= improve(peer, MEDIA_AUDIO);
		room->are_slots_due |= improve(peer, MEDIA_VIDEO);
	}
}

bool subscription_show_another(struct subscription *subscription)
{
	struct room_peer *peer = subscription->subscriber;
	struct room_track *waiting;

	if (peer->kind != PEER_CALL || !subscription->track_pad)
		return false;
	waiting = best_waiting(peer, subscription->track->kind);
	return waiting && can_show(subscription, waiting) && rebind(subscription, waiting) == 0;
}
