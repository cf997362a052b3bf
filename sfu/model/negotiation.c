#include "sfu/model/negotiation.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The extensions we understand in what peers send. */
static const enum header_extension received_extensions[] = {
	EXTENSION_MID,		 EXTENSION_AUDIO_LEVEL,
	EXTENSION_TRANSPORT_CC,	 EXTENSION_VIDEO_ORIENTATION,
	EXTENSION_PLAYOUT_DELAY, EXTENSION_ABS_CAPTURE_TIME};
/* The ones we pass on, with the number we offer each under. abs-send-time is not among them: it
 * tells when the hop before us sent, and a receiver takes it for ours. */
static const struct {
	enum header_extension extension;
	enum media_kind kind;
	uint8_t id;
} sent_extensions[] = {{EXTENSION_AUDIO_LEVEL, MEDIA_AUDIO, 1},
		       {EXTENSION_VIDEO_ORIENTATION, MEDIA_VIDEO, 3},
		       {EXTENSION_PLAYOUT_DELAY, MEDIA_VIDEO, 4},
		       {EXTENSION_ABS_CAPTURE_TIME, MEDIA_AUDIO, 5},
		       {EXTENSION_ABS_CAPTURE_TIME, MEDIA_VIDEO, 5}};

bool negotiation_passes_on(enum header_extension extension)
{
	for (size_t i = 0; i < ARRAY_LEN(sent_extensions); i++)
		if (sent_extensions[i].extension == extension)
			return true;
	return false;
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
	for (size_t i = 0; i < negotiation->line_count; i++)
		free(negotiation->lines[i]);
	free(negotiation->lines);
	negotiation->lines = NULL;
	negotiation->line_count = 0;
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

static void drop_lines_from(struct negotiation *negotiation, size_t count)
{
	while (negotiation->line_count > count)
		free(negotiation->lines[--negotiation->line_count]);
}

/* Lines that both sides know of; the ones proposed by us and not yet answered come after them. */
static size_t agreed_count(const struct negotiation *negotiation)
{
	size_t count = 0;

	while (count < negotiation->line_count && !negotiation->lines[count]->is_proposed)
		count++;
	return count;
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

/* The numbers `media` gives to this format and to its retransmissions (0: none). */
static bool payload_types_of(const struct sdp_media *media, const struct media_format *format,
			     uint8_t *ret_payload_type, uint8_t *ret_rtx_payload_type)
{
	for (size_t i = 0; i < media->codec_count; i++) {
		const struct sdp_codec *candidate = &media->codecs[i];
		struct media_format theirs;
		const struct sdp_codec *rtx;

		if (!media_format_read(candidate, &theirs) ||
		    !media_format_is_same(format, &theirs))
			continue;
		rtx = sdp_codec_find_rtx(media, candidate->payload_type);
		*ret_payload_type = candidate->payload_type;
		*ret_rtx_payload_type = rtx ? rtx->payload_type : 0;
		return true;
	}
	return false;
}

static bool lists_format(const struct sdp_media *media, const struct media_format *format)
{
	uint8_t payload_type, rtx_payload_type;

	return payload_types_of(media, format, &payload_type, &rtx_payload_type);
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
	    payload_types_of(media, &line->send.format, &payload_type, &rtx_payload_type)) {
		*ret_format = line->send.format;
		return sdp_codec_find_payload_type(media, payload_type);
	}
	return codec_preferences_choose(
		media->direction & DIRECTION_SEND ? &negotiation->preferences : NULL, media,
		ret_format);
}

/* ---- payload types of our offers ---- */

/* The format that a line of ours is offered in. */
static const struct media_format *offered_format(const struct media_line *line)
{
	return line->is_sending_wanted ? &line->send.format : &line->format;
}

/* In one bundle a number must mean one thing: it is nothing of the peer's, nor of our lines. */
static bool payload_type_is_free(const struct negotiation *negotiation, unsigned payload_type)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *line = negotiation->lines[i];

		if (line->offered_payload_type == payload_type ||
		    line->offered_rtx_payload_type == payload_type ||
		    (line->has_remote &&
		     sdp_codec_find_payload_type(&line->remote, (uint8_t)payload_type)))
			return false;
	}
	return true;
}

/* The wanted one, else any of the dynamic ones (RFC 3551 section 3), the second range after the
 * first, as some know nothing of it; 0 if all are taken. */
static uint8_t free_payload_type(const struct negotiation *negotiation, uint8_t wanted)
{
	static const uint8_t ranges[2][2] = {{96, 127}, {35, 63}};

	if (payload_type_is_free(negotiation, wanted))
		return wanted;
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		for (uint8_t number = ranges[i][0]; number <= ranges[i][1]; number++)
			if (payload_type_is_free(negotiation, number))
				return number;
	return 0;
}

/* Its numbers as the peer calls the format on any of its m-lines, or as another of ours has them.
 */
static bool number_as_another(const struct negotiation *negotiation, struct media_line *line)
{
	const struct media_format *format = offered_format(line);

	if (line->has_remote && payload_types_of(&line->remote, format, &line->offered_payload_type,
						 &line->offered_rtx_payload_type))
		return true;
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *other = negotiation->lines[i];

		if (other->has_remote && other->kind == line->kind &&
		    payload_types_of(&other->remote, format, &line->offered_payload_type,
				     &line->offered_rtx_payload_type))
			return true;
	}
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *other = negotiation->lines[i];

		if (!other->offered_payload_type || other->is_rejected ||
		    !media_format_is_same(offered_format(other), format))
			continue;
		line->offered_payload_type = other->offered_payload_type;
		line->offered_rtx_payload_type = other->offered_rtx_payload_type;
		return true;
	}
	return false;
}

/* Of all lines of ours that have a number, this one is to get its own. */
static void number_line(const struct negotiation *negotiation, struct media_line *line)
{
	const struct relay_codec *codec = offered_format(line)->codec;

	line->offered_payload_type = line->offered_rtx_payload_type = 0;
	if (number_as_another(negotiation, line))
		return;
	line->offered_payload_type = free_payload_type(negotiation, codec->payload_type);
	if (codec->rtx_payload_type)
		line->offered_rtx_payload_type =
			free_payload_type(negotiation, codec->rtx_payload_type);
}

/* Anew, since the peer may use numbers now that were free before. */
static void number_all_lines(struct negotiation *negotiation)
{
	for (size_t i = 0; i < negotiation->line_count; i++)
		negotiation->lines[i]->offered_payload_type =
			negotiation->lines[i]->offered_rtx_payload_type = 0;
	for (size_t i = 0; i < negotiation->line_count; i++)
		if (negotiation->lines[i]->is_ours && !negotiation->lines[i]->is_rejected)
			number_line(negotiation, negotiation->lines[i]);
}

/* ---- writing ---- */

/* `offered`: the peer's own entry for it, NULL if it is ours to offer. */
static void add_codec(struct sdp_media *media, const struct media_format *format,
		      const struct sdp_codec *offered, uint8_t payload_type,
		      uint8_t rtx_payload_type, bool with_transport_cc)
{
	const struct relay_codec *codec = format->codec;
	struct sdp_codec *entry = &media->codecs[media->codec_count++];

	entry->payload_type = payload_type;
	(void)snprintf(entry->name, sizeof(entry->name), "%s", codec->name);
	entry->clock_rate_hz = codec->clock_rate_hz;
	entry->channels = codec->channels;
	entry->apt = -1;
	(void)snprintf(entry->fmtp, sizeof(entry->fmtp), "%s", format->fmtp);
	entry->transport_cc = with_transport_cc;
	if (codec->has_video_feedback) {
		/* An answer may take from the offer, not add to it. */
		entry->nack = !offered || offered->nack;
		entry->nack_pli = !offered || offered->nack_pli;
		entry->ccm_fir = !offered || offered->ccm_fir;
	}
	if (!rtx_payload_type)
		return;
	entry = &media->codecs[media->codec_count++];
	entry->payload_type = rtx_payload_type;
	(void)snprintf(entry->name, sizeof(entry->name), "rtx");
	entry->clock_rate_hz = codec->clock_rate_hz;
	entry->apt = payload_type;
	(void)snprintf(entry->fmtp, sizeof(entry->fmtp), "apt=%u", payload_type);
}

static void add_extension(struct sdp_media *media, enum header_extension extension, uint8_t id)
{
	media->extensions[media->extension_count].extension = extension;
	media->extensions[media->extension_count++].id = id;
}

/* The peer's number for an extension, from any of its lines: within one bundle a number must mean
 * one thing (RFC 9143 section 9.2). 0: it knows it not, or nothing is known of the peer yet. */
static uint8_t extension_id_of_peer(const struct negotiation *negotiation,
				    enum header_extension extension, bool *has_remote)
{
	uint8_t id = 0;

	*has_remote = false;
	for (size_t i = 0; i < negotiation->line_count && id == 0; i++) {
		if (!negotiation->lines[i]->has_remote)
			continue;
		*has_remote = true;
		id = sdp_extension_id(&negotiation->lines[i]->remote, extension);
	}
	return id;
}

/* What we offer to send with: the peer's numbers, ours where we speak first. */
static void add_sent_extensions(const struct negotiation *negotiation,
				const struct media_line *line, struct sdp_media *media)
{
	for (size_t i = 0; i < ARRAY_LEN(sent_extensions); i++) {
		bool has_remote;
		uint8_t id = extension_id_of_peer(negotiation, sent_extensions[i].extension,
						  &has_remote);

		if (sent_extensions[i].kind == line->kind && (id || !has_remote))
			add_extension(media, sent_extensions[i].extension,
				      id ? id : sent_extensions[i].id);
	}
}

static void add_received_extensions(const struct media_line *line, struct sdp_media *media)
{
	for (size_t i = 0; i < ARRAY_LEN(received_extensions); i++) {
		uint8_t id = sdp_extension_id(&line->remote, received_extensions[i]);

		if (id)
			add_extension(media, received_extensions[i], id);
	}
}

static void write_send(const struct negotiation *negotiation, const struct media_line *line,
		       uint8_t rtx_payload_type, struct sdp_media *media)
{
	(void)snprintf(media->msid_stream, sizeof(media->msid_stream), "%s", line->send.stream_id);
	(void)snprintf(media->msid_track, sizeof(media->msid_track), "%s", line->send.track_id);
	(void)snprintf(media->cname, sizeof(media->cname), "%s", negotiation->identity.cname);
	media->ssrcs[0] = line->send.ssrc;
	media->rtx_ssrcs[0] = rtx_payload_type ? line->send.rtx_ssrc : 0;
	media->ssrc_count = 1;
}

/* A rejected m-line still has to name a format: the peer's own first one. */
static void write_rejected(const struct media_line *line, struct sdp_media *media)
{
	media->rejected = true;
	if (line->has_remote && line->remote.codec_count > 0)
		media->codecs[media->codec_count++] = line->remote.codecs[0];
}

/* The peer's words for what flows on the line: it is agreed, or about to be in our answer. True: a
 * stream of ours is among it. */
static bool write_agreed_codec(const struct media_line *line, struct sdp_media *media,
			       uint8_t *ret_rtx_payload_type)
{
	const struct sdp_codec *theirs;
	struct media_format format = line->format;
	uint8_t payload_type;
	bool is_sent =
		line->is_sending_wanted && payload_types_of(&line->remote, &line->send.format,
							    &payload_type, ret_rtx_payload_type);

	if (!is_sent &&
	    !payload_types_of(&line->remote, &line->format, &payload_type, ret_rtx_payload_type)) {
		payload_type = line->offered_payload_type;
		*ret_rtx_payload_type = line->offered_rtx_payload_type;
	}
	theirs = sdp_codec_find_payload_type(&line->remote, payload_type);
	if (theirs)
		(void)media_format_read(theirs, &format);
	add_codec(media, &format, line->is_ours ? NULL : theirs, payload_type,
		  *ret_rtx_payload_type,
		  !line->is_ours && sdp_extension_id(&line->remote, EXTENSION_TRANSPORT_CC) != 0);
	return is_sent;
}

static void write_line(const struct negotiation *negotiation, const struct media_line *line,
		       bool as_offer, struct sdp_media *media)
{
	uint8_t rtx_payload_type;
	unsigned direction = DIRECTION_INACTIVE;
	bool is_sent;

	media->kind = line->kind;
	memcpy(media->mid, line->mid, sizeof(media->mid));
	media->rtcp_mux = media->rtcp_rsize = true;
	if (line->is_rejected) {
		write_rejected(line, media);
		return;
	}
	if (line->is_ours && as_offer) {
		rtx_payload_type = line->offered_rtx_payload_type;
		add_codec(media, offered_format(line), NULL, line->offered_payload_type,
			  rtx_payload_type, false);
		is_sent = line->is_sending_wanted;
	} else {
		is_sent = write_agreed_codec(line, media, &rtx_payload_type);
	}
	if (line->is_publishing)
		direction |= DIRECTION_RECEIVE;
	if (is_sent) {
		direction |= DIRECTION_SEND;
		write_send(negotiation, line, rtx_payload_type, media);
	}
	media->direction = (enum sdp_direction)direction;
	if (line->is_ours)
		add_sent_extensions(negotiation, line, media);
	else
		add_received_extensions(line, media);
}

int negotiation_write(const struct negotiation *negotiation, bool as_offer, struct sdp **ret_sdp)
{
	const struct negotiation_identity *identity = &negotiation->identity;
	/* An answer has the lines of the offer that it answers; ours of the future come after. */
	size_t line_count = as_offer ? negotiation->line_count : agreed_count(negotiation);
	struct sdp *sdp = sdp_new(line_count, identity->candidate_count);

	if (!sdp)
		return -ENOMEM;
	(void)snprintf(sdp->ice_ufrag, sizeof(sdp->ice_ufrag), "%s", identity->ice_ufrag);
	(void)snprintf(sdp->ice_password, sizeof(sdp->ice_password), "%s", identity->ice_password);
	sdp->ice_lite = true;
	memcpy(sdp->fingerprint_sha256, identity->fingerprint_sha256,
	       sizeof(sdp->fingerprint_sha256));
	sdp->has_fingerprint = true;
	/* The client starts the handshake, so that it also retransmits (RFC 8842). */
	sdp->setup = as_offer ? SETUP_ACTPASS : SETUP_PASSIVE;
	sdp->session_id = negotiation->session_id;
	sdp->session_version = negotiation->session_version;
	for (size_t i = 0; i < identity->candidate_count; i++)
		sdp->candidates[i] = identity->candidates[i];
	for (size_t i = 0; i < line_count; i++)
		write_line(negotiation, negotiation->lines[i], as_offer, &sdp->media[i]);
	*ret_sdp = sdp;
	return 0;
}

/* ---- the peer offers ---- */

static int check_remote(const struct negotiation *negotiation, const struct sdp *sdp, bool is_offer,
			struct error *reterr)
{
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
	negotiation->has_remote = true;
	memcpy(negotiation->remote_fingerprint_sha256, sdp->fingerprint_sha256,
	       sizeof(sdp->fingerprint_sha256));
	(void)snprintf(negotiation->remote_ufrag, sizeof(negotiation->remote_ufrag), "%s",
		       sdp->ice_ufrag);
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
	size_t agreed = agreed_count(negotiation), published = 0;
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

/* The peer's lines come first: take back the ones that only we know of, whether an unanswered offer
 * of ours (now void) had them or they were still to be offered. */
static void take_back_proposed(struct negotiation *negotiation, struct send_stream **ret_streams,
			       size_t *ret_count)
{
	size_t agreed = agreed_count(negotiation), count = 0;
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

static void apply_offered_media(const struct negotiation *negotiation, struct media_line *line,
				const struct sdp_media *media)
{
	const struct sdp_codec *chosen;
	struct media_format format;

	if (is_recycled(line, media))
		*line = (struct media_line){0};
	line->kind = media->kind;
	memcpy(line->mid, media->mid, sizeof(line->mid));
	line->is_proposed = false;
	line->remote = *media;
	line->has_remote = true;
	chosen = choose_format(negotiation, line, media, &format);
	line->is_rejected = (media->kind != MEDIA_AUDIO && media->kind != MEDIA_VIDEO) ||
			    media->rejected || !chosen;
	line->is_publishing =
		chosen && !line->is_rejected && (media->direction & DIRECTION_SEND) != 0;
	if (chosen)
		line->format = format;
	if (line->is_publishing)
		(void)payload_types_of(media, &format, &line->payload_type,
				       &line->rtx_payload_type);
	line->is_sending_live =
		line->is_sending_wanted && !line->is_rejected &&
		(media->direction & DIRECTION_RECEIVE) != 0 &&
		payload_types_of(media, &line->send.format, &line->send_payload_type,
				 &line->send_rtx_payload_type);
}

static void unbind(struct negotiation *negotiation, struct media_line *line)
{
	line->is_sending_wanted = line->is_sending_live = false;
	line->send.binding = NULL;
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
	size_t stream_count = 0, before;
	int r = check_offer(negotiation, offer, reterr);

	if (r < 0)
		return r;
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
		apply_offered_media(negotiation, negotiation->lines[i], &offer->media[i]);
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
	number_line(negotiation, line);
	negotiation->is_dirty = true;
	return 0;
}

int negotiation_bind_send(struct negotiation *negotiation, struct media_line *line,
			  const struct send_stream *stream, struct error *reterr)
{
	(void)negotiation;
	if (!payload_types_of(&line->remote, &stream->format, &line->send_payload_type,
			      &line->send_rtx_payload_type))
		return error_set_field(reterr, -EPROTONOSUPPORT, "unsupported_codec",
				       "m=", "the m-line with mid %s does not offer %s%s%s",
				       line->mid, stream->format.codec->name,
				       *stream->format.fmtp ? " " : "", stream->format.fmtp);
	line->send = *stream;
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

	assert(negotiation->state == NEGOTIATION_STABLE);
	negotiation->session_version++;
	number_all_lines(negotiation);
	r = negotiation_write(negotiation, true, ret_offer);
	if (r < 0)
		return r;
	for (size_t i = 0; i < negotiation->line_count; i++)
		negotiation->lines[i]->offered_ssrc = negotiation->lines[i]->send.ssrc;
	negotiation->state = NEGOTIATION_OFFERED;
	negotiation->is_dirty = false;
	return 0;
}

/* ---- the peer answers ---- */

static int check_answer(const struct negotiation *negotiation, const struct sdp *answer,
			struct error *reterr)
{
	int r;

	if (negotiation->state != NEGOTIATION_OFFERED)
		return error_set_field(reterr, -EPROTO, "stale_answer", "sdp",
				       "no offer of the SFU is waiting for an answer");
	r = check_remote(negotiation, answer, false, reterr);
	if (r < 0)
		return r;
	if (answer->media_count > negotiation->line_count)
		return error_set_field(reterr, -EPROTO, "stale_answer",
				       "m=", "the answer has more m-lines than the offer");
	/* Lines added since the offer was made are not in it, and not in its answer. */
	for (size_t i = 0; i < negotiation->line_count; i++) {
		if (i >= answer->media_count) {
			if (negotiation->lines[i]->is_proposed && negotiation->is_dirty)
				break;
			return error_set_field(reterr, -EPROTO, "stale_answer",
					       "m=", "the answer has %zu m-lines, the offer more",
					       answer->media_count);
		}
		if (strcmp(negotiation->lines[i]->mid, answer->media[i].mid) != 0)
			return error_set_field(reterr, -EPROTO, "stale_answer", "a=mid",
					       "m-line %zu of the answer is %s, not %s", i,
					       answer->media[i].mid, negotiation->lines[i]->mid);
	}
	return 0;
}

/* The peer does not take what a line of ours was to send: not to be tried again. */
static void refuse_send(struct negotiation *negotiation, struct media_line *line)
{
	if (!line->is_sending_wanted || line->send.ssrc != line->offered_ssrc)
		return;
	if (negotiation->refused_count < REFUSED_FORMATS_MAX &&
	    !is_refused(negotiation, &line->send.format))
		negotiation->refused[negotiation->refused_count++] = line->send.format;
	unbind(negotiation, line);
}

static void apply_answered_media(struct negotiation *negotiation, struct media_line *line,
				 const struct sdp_media *media)
{
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
		line->remote = *media;
		line->has_remote = true;
	}
	line->is_publishing = line->is_publishing && (media->direction & DIRECTION_SEND);
	has_format = line->is_sending_wanted &&
		     payload_types_of(media, &line->send.format, &line->send_payload_type,
				      &line->send_rtx_payload_type);
	/* A stream that took the line over since has an SSRC the peer was not told yet. */
	line->is_sending_live = has_format && (media->direction & DIRECTION_RECEIVE) != 0 &&
				line->send.ssrc == line->offered_ssrc;
	if (line->is_ours && !has_format)
		refuse_send(negotiation, line);
}

int negotiation_take_answer(struct negotiation *negotiation, const struct sdp *answer,
			    struct error *reterr)
{
	int r = check_answer(negotiation, answer, reterr);

	if (r < 0)
		return r;
	for (size_t i = 0; i < answer->media_count; i++)
		apply_answered_media(negotiation, negotiation->lines[i], &answer->media[i]);
	keep_remote(negotiation, answer);
	negotiation->state = NEGOTIATION_STABLE;
	return 0;
}
