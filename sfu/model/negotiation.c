#include "sfu/model/negotiation_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void drop_lines_from(struct negotiation *negotiation, size_t count)
{
	while (negotiation->line_count > count) {
		struct media_line *line = negotiation->lines[--negotiation->line_count];

		sdp_media_fini(&line->remote);
		free(line);
	}
}

void negotiation_init(struct negotiation *negotiation, const struct negotiation_identity *identity,
		      uint64_t session_id)
{
	memset(negotiation, 0, sizeof(*negotiation));
	negotiation->identity = *identity;
	negotiation->may_publish = true;
	negotiation->session_id = session_id;
	negotiation->session_version = 1;
}

void negotiation_fini(struct negotiation *negotiation)
{
	drop_lines_from(negotiation, 0);
	free(negotiation->lines);
	negotiation->lines = NULL;
	free(negotiation->refused);
	negotiation->refused = NULL;
	negotiation->refused_count = 0;
}

/* ---- lines ---- */

static int append_line(struct negotiation *negotiation, struct media_line **ret_line)
{
	struct media_line **lines;
	struct media_line *line;

	lines = realloc(negotiation->lines,
			(negotiation->line_count + 1) * sizeof(struct media_line *));
	if (!lines)
		return -ENOMEM;
	negotiation->lines = lines;
	line = calloc(1, sizeof(*line));
	if (!line)
		return -ENOMEM;
	lines[negotiation->line_count++] = line;
	*ret_line = line;
	return 0;
}

size_t negotiation_agreed_count(const struct negotiation *negotiation)
{
	size_t count = 0;

	while (count < negotiation->line_count && !negotiation->lines[count]->is_proposed)
		count++;
	return count;
}

uint8_t media_line_layer_count(const struct media_line *line)
{
	const struct sdp_media *remote = &line->remote;
	size_t count = remote->rid_count > 0 ? remote->rid_count : remote->layer_ssrc_count;

	if (line->kind != MEDIA_VIDEO || count == 0 || remote->rids_are_received)
		return 1;
	return (uint8_t)count;
}

static bool mid_is_taken(const struct negotiation *negotiation, const char *mid)
{
	for (size_t i = 0; i < negotiation->line_count; i++)
		if (strcmp(negotiation->lines[i]->mid, mid) == 0)
			return true;
	return false;
}

/* "s0", "s1" …: browsers number theirs "0", "1" or "audio0", so collisions are rare, not absent. */
static void choose_mid(struct negotiation *negotiation, struct media_line *line)
{
	char mid[SDP_MID_MAX + 1];

	do
		(void)snprintf(mid, sizeof(mid), "s%u", negotiation->next_mid++);
	while (mid_is_taken(negotiation, mid));
	memcpy(line->mid, mid, sizeof(mid));
}

static bool lists_format(const struct sdp_media *media, const struct media_format *format)
{
	uint8_t payload_type, rtx_payload_type;

	return media_format_find(media, format, &payload_type, &rtx_payload_type);
}

/* What we would have the peer send on this m-line, or watch. The room's list is for what is
 * published; a line of ours goes on with what it carries. */
static const struct sdp_codec *choose_format(const struct negotiation *negotiation,
					     const struct media_line *line,
					     const struct sdp_media *media,
					     struct media_format *ret_format)
{
	uint8_t payload_type, rtx_payload_type;

	if (line && line->is_ours && line->is_sending_wanted &&
	    media_format_find(media, &line->send.format, &payload_type, &rtx_payload_type)) {
		*ret_format = line->send.format;
		return sdp_codec_find_payload_type(media, payload_type);
	}
	return codec_preferences_choose(
		media->direction & DIRECTION_SEND ? &negotiation->preferences : NULL, media,
		ret_format);
}

/* ---- the peer offers ---- */

static int check_remote(const struct negotiation *negotiation, const struct sdp *sdp, bool is_offer,
			struct error *reterr)
{
	if (!sdp_has_transport(sdp)) {
		if (is_offer && !negotiation->has_remote)
			return error_set_field(reterr, -EPROTO, "bad_sdp", "a=ice-ufrag",
					       "it is missing: a first offer must have an m-line "
					       "that is not rejected");
		return 0;
	}
	if (is_offer ? sdp->setup == SETUP_PASSIVE : sdp->setup != SETUP_ACTIVE)
		return error_set_field(reterr, -EPROTO, "bad_sdp", "a=setup",
				       "a=setup must be %s: the SFU is the DTLS server",
				       is_offer ? "actpass or active" : "active");
	if (negotiation->has_remote &&
	    memcmp(negotiation->remote_fingerprint_sha256, sdp->fingerprint_sha256,
		   sizeof(sdp->fingerprint_sha256)) != 0)
		return error_set_field(reterr, -EPROTO, "fingerprint_changed", "a=fingerprint",
				       "a=fingerprint must stay the same for the whole connection");
	return 0;
}

static void keep_remote(struct negotiation *negotiation, const struct sdp *sdp)
{
	if (!sdp_has_transport(sdp))
		return;
	negotiation->has_remote = true;
	negotiation->remote_allows_mixed = sdp->extmap_allow_mixed;
	memcpy(negotiation->remote_fingerprint_sha256, sdp->fingerprint_sha256,
	       sizeof(sdp->fingerprint_sha256));
	(void)snprintf(negotiation->remote_ufrag, sizeof(negotiation->remote_ufrag), "%s",
		       sdp->ice_ufrag);
}

bool negotiation_is_ice_restart(const struct negotiation *negotiation, const struct sdp *offer)
{
	return negotiation->has_remote && sdp_has_transport(offer) &&
	       strcmp(negotiation->remote_ufrag, offer->ice_ufrag) != 0;
}

bool negotiation_restart_ice(struct negotiation *negotiation, const char *remote_ufrag)
{
	if (strcmp(negotiation->remote_ufrag, remote_ufrag) == 0)
		return false;
	(void)snprintf(negotiation->remote_ufrag, sizeof(negotiation->remote_ufrag), "%s",
		       remote_ufrag);
	return true;
}

/* A line that was rejected may come back as another one (RFC 9429 section 5.2.2). */
static bool is_recycled(const struct media_line *line, const struct sdp_media *media)
{
	return line->is_rejected && strcmp(line->mid, media->mid) != 0;
}

static int check_offered_media(const struct negotiation *negotiation, size_t i, bool is_agreed,
			       const struct sdp_media *media, struct error *reterr)
{
	const struct media_line *line = is_agreed ? negotiation->lines[i] : NULL;
	char names[RELAY_CODEC_NAMES_MAX];
	struct media_format format;

	if (line && !is_recycled(line, media) &&
	    (strcmp(line->mid, media->mid) != 0 || line->kind != media->kind))
		return error_set_field(reterr, -EPROTO, "bad_sdp", "a=mid",
				       "m-line %zu is %s, but mid %s was agreed there", i,
				       media->mid, line->mid);
	if ((media->kind != MEDIA_AUDIO && media->kind != MEDIA_VIDEO) || media->rejected ||
	    media->direction == DIRECTION_INACTIVE ||
	    choose_format(negotiation, line, media, &format))
		return 0;
	codec_preferences_names(media->direction & DIRECTION_SEND ? &negotiation->preferences
								  : NULL,
				media->kind, names);
	return error_set_field(reterr, -EPROTONOSUPPORT, "unsupported_codec", "m=",
			       "the %s m-line with mid %s has no codec that is relayed here (%s)",
			       media->kind == MEDIA_AUDIO ? "audio" : "video", media->mid, names);
}

/* Everything that can be wrong with an offer, before anything is changed. */
static int check_offer(const struct negotiation *negotiation, const struct sdp *offer,
		       struct error *reterr)
{
	size_t agreed = negotiation_agreed_count(negotiation), published = 0;
	int r = check_remote(negotiation, offer, true, reterr);

	if (r < 0)
		return r;
	if (offer->media_count < agreed)
		return error_set_field(reterr, -EPROTO, "bad_sdp", "m=",
				       "the offer has %zu m-lines but %zu are agreed: they are "
				       "never removed",
				       offer->media_count, agreed);
	for (size_t i = 0; i < offer->media_count; i++) {
		const struct sdp_media *media = &offer->media[i];

		r = check_offered_media(negotiation, i, i < agreed, media, reterr);
		if (r < 0)
			return r;
		published += !media->rejected && (media->direction & DIRECTION_SEND) != 0 &&
			     (media->kind == MEDIA_AUDIO || media->kind == MEDIA_VIDEO);
	}
	if (published > 0 && !negotiation->may_publish)
		return error_set_field(reterr, -EACCES, "forbidden",
				       "m=", "you may watch here, but not publish");
	if (published > PUBLISHED_TRACKS_MAX)
		return error_set_field(reterr, -E2BIG, "too_many_tracks",
				       "m=", "a peer may publish %d tracks at most",
				       PUBLISHED_TRACKS_MAX);
	return 0;
}

/* A peer that has taken our offer, and whose answer was lost, has our lines in its own offer: they
 * are agreed, and ours. */
static void keep_known(struct negotiation *negotiation, const struct sdp *offer)
{
	size_t i = negotiation_agreed_count(negotiation);

	if (negotiation->state != NEGOTIATION_OFFERED)
		return;
	for (; i < negotiation->offered_count && i < offer->media_count; i++) {
		struct media_line *line = negotiation->lines[i];
		const struct sdp_media *media = &offer->media[i];

		if (line->kind != media->kind || strcmp(line->mid, media->mid) != 0)
			break;
		line->is_proposed = false;
	}
}

/* The peer's lines come first: take back the ones that only we know of, whether an unanswered offer
 * of ours (now void) had them or they were still to be offered. */
static void take_back_proposed(struct negotiation *negotiation, struct send_stream **ret_streams,
			       size_t *ret_count)
{
	size_t agreed = negotiation_agreed_count(negotiation), count = 0;
	struct send_stream *streams;

	if (negotiation->state == NEGOTIATION_OFFERED)
		negotiation->is_dirty = true;
	negotiation->state = NEGOTIATION_STABLE;
	streams = calloc(negotiation->line_count - agreed + 1, sizeof(*streams));
	if (streams)
		for (size_t i = agreed; i < negotiation->line_count; i++)
			if (negotiation->lines[i]->is_sending_wanted)
				streams[count++] = negotiation->lines[i]->send;
	drop_lines_from(negotiation, agreed);
	*ret_streams = streams;
	*ret_count = count;
}

/* Who likes redundant audio better than plain one lists it before. */
static uint8_t preferred_red(const struct sdp_media *media, uint8_t payload_type)
{
	const struct sdp_codec *red = sdp_codec_find_red(media, payload_type);

	return red && red < sdp_codec_find_payload_type(media, payload_type) ? red->payload_type
									     : 0;
}

/* The peer's numbers for what we send, if it lists the format. */
static bool find_send_numbers(struct media_line *line, const struct sdp_media *media)
{
	const struct sdp_codec *red;

	if (!media_format_find(media, &line->send.format, &line->send_payload_type,
			       &line->send_rtx_payload_type))
		return false;
	red = sdp_codec_find_red(media, line->send_payload_type);
	line->send_red_payload_type = red ? red->payload_type : 0;
	return true;
}

/* What the peer says of the line is ours now. */
static void keep_media(struct media_line *line, struct sdp_media *media)
{
	sdp_media_fini(&line->remote);
	line->remote = *media;
	line->has_remote = true;
	*media = (struct sdp_media){0};
}

/* `said` is emptied. */
static void apply_offered_media(const struct negotiation *negotiation, struct media_line *line,
				struct sdp_media *said)
{
	const struct sdp_media *media = &line->remote;
	const struct sdp_codec *chosen;
	struct media_format format;

	if (is_recycled(line, said)) {
		sdp_media_fini(&line->remote);
		*line = (struct media_line){0};
	}
	keep_media(line, said);
	line->kind = media->kind;
	memcpy(line->mid, media->mid, sizeof(line->mid));
	line->is_proposed = false;
	chosen = choose_format(negotiation, line, media, &format);
	line->is_rejected = (media->kind != MEDIA_AUDIO && media->kind != MEDIA_VIDEO) ||
			    media->rejected || !chosen;
	line->is_publishing =
		chosen && !line->is_rejected && (media->direction & DIRECTION_SEND) != 0;
	if (chosen)
		line->format = format;
	line->red_payload_type = 0;
	if (line->is_publishing) {
		(void)media_format_find(media, &format, &line->payload_type,
					&line->rtx_payload_type);
		line->red_payload_type = preferred_red(media, line->payload_type);
	}
	/* Of a stream that took our line over since our last offer the peer does not know yet. */
	line->is_sending_live = line->is_sending_wanted && !line->is_rejected &&
				(media->direction & DIRECTION_RECEIVE) != 0 &&
				(!line->is_ours || line->send.ssrc == line->offered_ssrc) &&
				find_send_numbers(line, media);
}

static void unbind(struct negotiation *negotiation, struct media_line *line)
{
	line->is_sending_wanted = line->is_sending_live = false;
	line->send.binding = NULL;
	line->send.stream_id = line->send.track_id = NULL;
	negotiation->is_dirty = true;
}

/* The offer may have shown that what waits for ours cannot be taken. */
static void unbind_untakeable(struct negotiation *negotiation)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		struct media_line *line = negotiation->lines[i];

		if (line->is_ours && line->is_sending_wanted && !line->is_sending_live &&
		    !negotiation_can_take(negotiation, &line->send.format))
			unbind(negotiation, line);
	}
}

int negotiation_take_offer(struct negotiation *negotiation, const struct sdp *offer,
			   struct sdp **ret_answer, struct error *reterr)
{
	AUTO_FREE struct send_stream *streams = NULL;
	AUTO(sdp) said = NULL;
	size_t stream_count = 0, before;
	int r = check_offer(negotiation, offer, reterr);

	if (r < 0)
		return r;
	said = sdp_copy(offer);
	if (!said)
		return -ENOMEM;
	keep_known(negotiation, offer);
	take_back_proposed(negotiation, &streams, &stream_count);
	before = negotiation->line_count;
	while (negotiation->line_count < offer->media_count) {
		struct media_line *line;

		r = append_line(negotiation, &line);
		if (r < 0) {
			drop_lines_from(negotiation, before);
			return r;
		}
	}
	for (size_t i = 0; i < offer->media_count; i++)
		apply_offered_media(negotiation, negotiation->lines[i], &said->media[i]);
	unbind_untakeable(negotiation);
	for (size_t i = 0; i < stream_count; i++) {
		/* Refused: no room behind the peer's lines, or it cannot take it. */
		if (negotiation_add_send(negotiation, &streams[i], NULL) < 0)
			continue;
	}
	keep_remote(negotiation, offer);
	negotiation->session_version++;
	return negotiation_write(negotiation, false, ret_answer);
}

/* ---- what we send ---- */

static bool is_refused(const struct negotiation *negotiation, const struct media_format *format)
{
	for (size_t i = 0; i < negotiation->refused_count; i++)
		if (media_format_is_same(&negotiation->refused[i], format))
			return true;
	return false;
}

bool negotiation_can_take(const struct negotiation *negotiation, const struct media_format *format)
{
	bool is_known = false;

	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *line = negotiation->lines[i];

		if (line->is_rejected || !line->has_remote || line->kind != format->codec->kind ||
		    !(line->remote.direction & DIRECTION_RECEIVE))
			continue;
		if (lists_format(&line->remote, format))
			return true;
		/* Of a line of ours it says only what it was asked. */
		is_known = is_known || !line->is_ours;
	}
	return !is_known && !is_refused(negotiation, format);
}

int negotiation_add_send(struct negotiation *negotiation, const struct send_stream *stream,
			 struct error *reterr)
{
	struct media_line *line = NULL;
	int r;

	if (!negotiation_can_take(negotiation, &stream->format))
		return error_set(reterr, -EPROTONOSUPPORT, "unsupported_codec",
				 "it comes in %s%s%s, which you do not offer to receive",
				 stream->format.codec->name, *stream->format.fmtp ? " " : "",
				 stream->format.fmtp);
	for (size_t i = 0; i < negotiation->line_count && !line; i++) {
		struct media_line *idle = negotiation->lines[i];

		if (idle->is_ours && !idle->is_sending_wanted && !idle->is_rejected &&
		    idle->kind == stream->format.codec->kind)
			line = idle;
	}
	if (!line) {
		if (negotiation->line_count >= SDP_MEDIA_MAX - PUBLISHED_TRACKS_MAX)
			return error_set(reterr, -E2BIG, "too_many_media",
					 "a connection has at most %d m-lines, some of them kept "
					 "for the peer's own",
					 SDP_MEDIA_MAX);
		r = append_line(negotiation, &line);
		if (r < 0)
			return r;
		line->kind = stream->format.codec->kind;
		line->is_ours = line->is_proposed = true;
		choose_mid(negotiation, line);
	}
	line->send = *stream;
	line->format = stream->format;
	line->is_sending_wanted = true;
	line->is_sending_live = false;
	line->decline_count = 0;
	negotiation_number_line(negotiation, line);
	negotiation->is_dirty = true;
	return 0;
}

int negotiation_bind_send(struct negotiation *negotiation, struct media_line *line,
			  const struct send_stream *stream, struct error *reterr)
{
	const struct send_stream before = line->send;

	(void)negotiation;
	line->send = *stream;
	if (!find_send_numbers(line, &line->remote)) {
		line->send = before;
		return error_set_field(reterr, -EPROTONOSUPPORT, "unsupported_codec",
				       "m=", "the m-line with mid %s does not offer %s%s%s",
				       line->mid, stream->format.codec->name,
				       *stream->format.fmtp ? " " : "", stream->format.fmtp);
	}
	line->is_sending_wanted = true;
	line->is_sending_live = true;
	return 0;
}

void negotiation_remove_send(struct negotiation *negotiation, const void *binding)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		struct media_line *line = negotiation->lines[i];

		if (line->is_sending_wanted && line->send.binding == binding)
			unbind(negotiation, line);
	}
}

const struct media_line *negotiation_rename_send(struct negotiation *negotiation,
						 const void *binding, const char *stream_id,
						 const char *track_id)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		struct media_line *line = negotiation->lines[i];
		struct send_stream *stream = &line->send;

		if (!line->is_sending_live || stream->binding != binding)
			continue;
		stream->stream_id = stream_id;
		stream->track_id = track_id;
		return line;
	}
	return NULL;
}

bool negotiation_has_send(const struct negotiation *negotiation, const void *binding)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *line = negotiation->lines[i];

		if (line->is_sending_wanted && line->send.binding == binding)
			return true;
	}
	return false;
}

int negotiation_make_offer(struct negotiation *negotiation, struct sdp **ret_offer)
{
	int r;

	negotiation->session_version++;
	negotiation_number_lines(negotiation);
	r = negotiation_write(negotiation, true, ret_offer);
	if (r < 0)
		return r;
	for (size_t i = 0; i < negotiation->line_count; i++)
		negotiation->lines[i]->offered_ssrc = negotiation->lines[i]->send.ssrc;
	negotiation->offer_id = negotiation->session_version;
	negotiation->offered_count = negotiation->line_count;
	negotiation->state = NEGOTIATION_OFFERED;
	negotiation->is_dirty = false;
	return 0;
}

/* ---- the peer answers ---- */

static int check_answer(const struct negotiation *negotiation, const struct sdp *answer,
			uint64_t offer_id, struct error *reterr)
{
	int r;

	if (negotiation->state != NEGOTIATION_OFFERED)
		return error_set_field(reterr, -EPROTO, "stale_answer", "sdp",
				       "no offer of the SFU is waiting for an answer");
	if (offer_id != 0 && offer_id != negotiation->offer_id)
		return error_set_field(reterr, -EPROTO, "stale_answer", "offer_id",
				       "this answers offer %" PRIu64
				       ", but the one that waits for an answer is %" PRIu64,
				       offer_id, negotiation->offer_id);
	r = check_remote(negotiation, answer, false, reterr);
	if (r < 0)
		return r;
	/* Lines added since the offer was made are not in it, and not in its answer. */
	if (answer->media_count != negotiation->offered_count)
		return error_set_field(reterr, -EPROTO, "stale_answer",
				       "m=", "the answer has %zu m-lines, the offer %zu",
				       answer->media_count, negotiation->offered_count);
	for (size_t i = 0; i < answer->media_count; i++) {
		if (strcmp(negotiation->lines[i]->mid, answer->media[i].mid) != 0)
			return error_set_field(reterr, -EPROTO, "stale_answer", "a=mid",
					       "m-line %zu of the answer is %s, not %s", i,
					       answer->media[i].mid, negotiation->lines[i]->mid);
	}
	return 0;
}

/* Without memory it is not remembered, and offered again. */
static void remember_refused(struct negotiation *negotiation, const struct media_format *format)
{
	struct media_format *refused;

	if (negotiation->refused_count == REFUSED_FORMATS_MAX || is_refused(negotiation, format))
		return;
	refused = realloc(negotiation->refused,
			  (negotiation->refused_count + 1) * sizeof(struct media_format));
	if (!refused)
		return;
	negotiation->refused = refused;
	refused[negotiation->refused_count++] = *format;
}

/* The peer does not take what a line of ours was to send: not to be tried again. */
static void refuse_send(struct negotiation *negotiation, struct media_line *line)
{
	if (!line->is_sending_wanted || line->send.ssrc != line->offered_ssrc)
		return;
	remember_refused(negotiation, &line->send.format);
	unbind(negotiation, line);
}

/* `said` is emptied if the line is ours. */
static void apply_answered_media(struct negotiation *negotiation, struct media_line *line,
				 struct sdp_media *said)
{
	const struct sdp_media *media = said;
	bool has_format;

	line->is_proposed = false;
	if (line->is_ours && media->rejected) {
		refuse_send(negotiation, line);
		line->is_rejected = true; /* the peer's end of it is stopped for good */
	}
	if (line->is_rejected || media->rejected) {
		line->is_sending_live = false;
		return;
	}
	if (line->is_ours) {
		keep_media(line, said);
		media = &line->remote;
	}
	line->is_publishing = line->is_publishing && (media->direction & DIRECTION_SEND);
	has_format = line->is_sending_wanted && find_send_numbers(line, media);
	/* A stream that took the line over since has an SSRC the peer was not told yet. */
	line->is_sending_live = has_format && (media->direction & DIRECTION_RECEIVE) != 0 &&
				line->send.ssrc == line->offered_ssrc;
	if (line->is_ours && !has_format)
		refuse_send(negotiation, line);
	/* Declined, or this is an older offer's answer told once more, and the one that is still to
	 * come will be refused: a further offer makes sure. */
	if (line->is_ours && has_format && !(media->direction & DIRECTION_RECEIVE) &&
	    line->send.ssrc == line->offered_ssrc && line->decline_count < DECLINES_MAX) {
		line->decline_count++;
		negotiation->is_dirty = true;
	}
}

int negotiation_take_answer(struct negotiation *negotiation, const struct sdp *answer,
			    uint64_t offer_id, struct error *reterr)
{
	AUTO(sdp) said = NULL;
	int r = check_answer(negotiation, answer, offer_id, reterr);

	if (r < 0)
		return r;
	said = sdp_copy(answer);
	if (!said)
		return -ENOMEM;
	for (size_t i = 0; i < answer->media_count; i++)
		apply_answered_media(negotiation, negotiation->lines[i], &said->media[i]);
	keep_remote(negotiation, answer);
	negotiation->state = NEGOTIATION_STABLE;
	return 0;
}
