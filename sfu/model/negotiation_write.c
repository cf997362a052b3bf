/* What our side of a negotiation looks like as SDP: the numbers of formats and header extensions,
 * and the lines that carry them. Nothing here changes what was agreed on. */
#include "sfu/model/negotiation_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The extensions we understand in what peers send. */
static const enum header_extension received_extensions[] = {EXTENSION_MID,
							    EXTENSION_AUDIO_LEVEL,
							    EXTENSION_TRANSPORT_CC,
							    EXTENSION_VIDEO_ORIENTATION,
							    EXTENSION_PLAYOUT_DELAY,
							    EXTENSION_ABS_CAPTURE_TIME,
							    EXTENSION_RID,
							    EXTENSION_REPAIRED_RID,
							    EXTENSION_DEPENDENCY_DESCRIPTOR};
/* What we offer, with the number we offer each under: Chromium's own, where it has one. Of
 * abs-send-time only our own is passed on: the publisher's tells when the hop before us sent, and a
 * receiver takes it for ours. Names of m-lines and layers are not for what we send. But what was
 * not agreed on at first Chromium does not offer later in the same connection, and it cannot
 * publish in layers without. */
static const struct {
	enum header_extension extension;
	enum media_kind kind;
	uint8_t id;
	bool is_passed_on;
} offered_extensions[] = {{EXTENSION_AUDIO_LEVEL, MEDIA_AUDIO, 1, true},
			  {EXTENSION_VIDEO_ORIENTATION, MEDIA_VIDEO, 13, true},
			  {EXTENSION_PLAYOUT_DELAY, MEDIA_VIDEO, 5, true},
			  {EXTENSION_ABS_CAPTURE_TIME, MEDIA_AUDIO, 9, true},
			  {EXTENSION_ABS_CAPTURE_TIME, MEDIA_VIDEO, 9, true},
			  {EXTENSION_DEPENDENCY_DESCRIPTOR, MEDIA_VIDEO, 12, true},
			  {EXTENSION_MID, MEDIA_AUDIO, 4, false},
			  {EXTENSION_MID, MEDIA_VIDEO, 4, false},
			  {EXTENSION_RID, MEDIA_VIDEO, 10, false},
			  {EXTENSION_REPAIRED_RID, MEDIA_VIDEO, 11, false}};

/* What we write into all that we send: a number, if the peer tells how it arrives; for who
 * estimates by itself and tells the sum of it (REMB), the time. */
enum { SENT_TRANSPORT_CC_ID = 3, SENT_ABS_SEND_TIME_ID = 2 };

bool negotiation_passes_on(enum header_extension extension)
{
	for (size_t i = 0; i < ARRAY_LEN(offered_extensions); i++)
		if (offered_extensions[i].extension == extension)
			return offered_extensions[i].is_passed_on;
	return false;
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

	if (line->has_remote &&
	    media_format_find(&line->remote, format, &line->offered_payload_type,
			      &line->offered_rtx_payload_type))
		return true;
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *other = negotiation->lines[i];

		if (other->has_remote && other->kind == line->kind &&
		    media_format_find(&other->remote, format, &line->offered_payload_type,
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

void negotiation_number_line(const struct negotiation *negotiation, struct media_line *line)
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

void negotiation_number_lines(struct negotiation *negotiation)
{
	for (size_t i = 0; i < negotiation->line_count; i++)
		negotiation->lines[i]->offered_payload_type =
			negotiation->lines[i]->offered_rtx_payload_type = 0;
	for (size_t i = 0; i < negotiation->line_count; i++)
		if (negotiation->lines[i]->is_ours && !negotiation->lines[i]->is_rejected)
			negotiation_number_line(negotiation, negotiation->lines[i]);
}

/* ---- writing ---- */

/* How the peer estimates what its way carries, and the extensions for that; 0: not by this one. */
struct estimation {
	uint8_t transport_cc_id, abs_send_time_id;
};

static int add_rtx(struct sdp_media *media, const struct relay_codec *codec,
		   uint8_t rtx_payload_type, uint8_t payload_type)
{
	char fmtp[sizeof("apt=255")];
	const struct sdp_codec entry = {.payload_type = rtx_payload_type,
					.name = "rtx",
					.clock_rate_hz = codec->clock_rate_hz,
					.apt = payload_type,
					.fmtp = fmtp};

	(void)snprintf(fmtp, sizeof(fmtp), "apt=%u", payload_type);
	return sdp_media_add_codec(media, &entry);
}

/* `offered`: the peer's own entry for it, NULL if it is ours to offer. */
static int add_codec(struct sdp_media *media, const struct media_format *format,
		     const struct sdp_codec *offered, uint8_t payload_type,
		     uint8_t rtx_payload_type, const struct estimation *estimation)
{
	const struct relay_codec *codec = format->codec;
	struct sdp_codec entry = {.payload_type = payload_type,
				  .clock_rate_hz = codec->clock_rate_hz,
				  .channels = codec->channels,
				  .apt = -1,
				  .fmtp = format->fmtp};
	int r;

	(void)snprintf(entry.name, sizeof(entry.name), "%s", codec->name);
	entry.transport_cc = estimation->transport_cc_id != 0;
	entry.goog_remb = estimation->abs_send_time_id != 0 && (!offered || offered->goog_remb);
	if (codec->has_video_feedback) {
		/* An answer may take from the offer, not add to it. */
		entry.nack = !offered || offered->nack;
		entry.nack_pli = !offered || offered->nack_pli;
		entry.ccm_fir = !offered || offered->ccm_fir;
	}
	r = sdp_media_add_codec(media, &entry);
	if (r < 0 || !rtx_payload_type)
		return r;
	return add_rtx(media, codec, rtx_payload_type, payload_type);
}

/* The same in its redundant form, under the peer's number for it. */
static int add_red(struct sdp_media *media, uint8_t red_payload_type, uint8_t payload_type)
{
	char fmtp[sizeof("255/255")];
	const struct sdp_codec entry = {.payload_type = red_payload_type,
					.name = "red",
					.clock_rate_hz = 48000,
					.channels = 2,
					.apt = -1,
					.fmtp = fmtp};

	(void)snprintf(fmtp, sizeof(fmtp), "%u/%u", payload_type, payload_type);
	return sdp_media_add_codec(media, &entry);
}

/* What the peer calls it, on any of its lines; 0: it has none. */
static uint8_t red_payload_type_of_peer(const struct negotiation *negotiation, uint8_t payload_type)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const struct media_line *line = negotiation->lines[i];
		const struct sdp_codec *red =
			line->has_remote ? sdp_codec_find_red(&line->remote, payload_type) : NULL;

		if (red)
			return red->payload_type;
	}
	return 0;
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
		id = negotiation->lines[i]->remote.extension_ids[extension];
	}
	return id;
}

/* What we offer to send with: the peer's numbers, ours where we speak first. */
static void add_offered_extensions(const struct negotiation *negotiation,
				   const struct media_line *line, struct sdp_media *media)
{
	for (size_t i = 0; i < ARRAY_LEN(offered_extensions); i++) {
		bool has_remote;
		uint8_t id = extension_id_of_peer(negotiation, offered_extensions[i].extension,
						  &has_remote);

		/* It begins with more than the short form takes, and goes on with less. */
		if (offered_extensions[i].extension == EXTENSION_DEPENDENCY_DESCRIPTOR &&
		    has_remote && !negotiation->remote_allows_mixed)
			continue;
		if (offered_extensions[i].kind == line->kind && (id || !has_remote))
			media->extension_ids[offered_extensions[i].extension] =
				id ? id : offered_extensions[i].id;
	}
}

/* Some (aiortc) give one number two meanings in one bundle, against RFC 9143 section 9.2, and fail
 * on the other. */
static bool means_one_thing(const struct negotiation *negotiation, uint8_t id,
			    enum header_extension extension)
{
	for (size_t i = 0; i < negotiation->line_count; i++) {
		const uint8_t *ids = negotiation->lines[i]->remote.extension_ids;

		for (int other = EXTENSION_NONE + 1; id && other < EXTENSION_COUNT; other++)
			if (ids[other] == id && other != (int)extension)
				return false;
	}
	return true;
}

/* On what we send. The time is for who cannot tell of each packet; who has not said anything yet is
 * offered both, and is sent one. */
static struct estimation sent_estimation(const struct negotiation *negotiation)
{
	bool has_remote;
	struct estimation estimation = {
		extension_id_of_peer(negotiation, EXTENSION_TRANSPORT_CC, &has_remote), 0};

	if (!has_remote)
		return (struct estimation){SENT_TRANSPORT_CC_ID, SENT_ABS_SEND_TIME_ID};
	if (!estimation.transport_cc_id) {
		uint8_t id =
			extension_id_of_peer(negotiation, EXTENSION_ABS_SEND_TIME, &has_remote);

		if (means_one_thing(negotiation, id, EXTENSION_ABS_SEND_TIME))
			estimation.abs_send_time_id = id;
	}
	return estimation;
}

/* The same on the peer's own line: what is in its offer, and the time only where we send. */
static struct estimation agreed_estimation(const struct negotiation *negotiation,
					   const struct media_line *line)
{
	struct estimation estimation = {line->remote.extension_ids[EXTENSION_TRANSPORT_CC], 0};
	uint8_t id = line->remote.extension_ids[EXTENSION_ABS_SEND_TIME];

	if (!estimation.transport_cc_id && line->is_sending_wanted &&
	    means_one_thing(negotiation, id, EXTENSION_ABS_SEND_TIME))
		estimation.abs_send_time_id = id;
	return estimation;
}

uint8_t negotiation_abs_send_time_id(const struct negotiation *negotiation,
				     const struct media_line *line)
{
	return agreed_estimation(negotiation, line).abs_send_time_id;
}

static void add_received_extensions(const struct negotiation *negotiation,
				    const struct media_line *line, struct sdp_media *media)
{
	for (size_t i = 0; i < ARRAY_LEN(received_extensions); i++)
		media->extension_ids[received_extensions[i]] =
			line->remote.extension_ids[received_extensions[i]];
	media->extension_ids[EXTENSION_ABS_SEND_TIME] =
		negotiation_abs_send_time_id(negotiation, line);
}

/* All layers that the peer would send are welcome: what of them is used changes from moment to
 * moment.
 */
static void write_received_layers(const struct media_line *line, struct sdp_media *media)
{
	if (!line->is_publishing || line->remote.rids_are_received)
		return;
	memcpy(media->rids, line->remote.rids, sizeof(media->rids));
	media->rid_count = line->remote.rid_count;
	media->rids_are_received = true;
}

static int write_send(const struct negotiation *negotiation, const struct media_line *line,
		      uint8_t rtx_payload_type, struct sdp_media *media)
{
	int r = sdp_set_text(&media->msid_stream, line->send.stream_id);

	if (r == 0)
		r = sdp_set_text(&media->msid_track, line->send.track_id);
	if (r == 0)
		r = sdp_set_text(&media->cname, negotiation->identity.cname);
	media->ssrcs[0] = line->send.ssrc;
	media->rtx_ssrcs[0] = rtx_payload_type ? line->send.rtx_ssrc : 0;
	media->ssrc_count = 1;
	return r;
}

/* A rejected m-line still has to name a format: the peer's own first one. */
static int write_rejected(const struct media_line *line, struct sdp_media *media)
{
	media->rejected = true;
	return line->remote.codec_count > 0 ? sdp_media_add_codec(media, &line->remote.codecs[0])
					    : 0;
}

/* The peer's words for what flows on the line: it is agreed, or about to be in our answer. 1: a
 * stream of ours is among it; 0: none is. */
static int write_agreed_codec(const struct negotiation *negotiation, const struct media_line *line,
			      struct sdp_media *media, uint8_t *ret_rtx_payload_type)
{
	const struct sdp_codec *theirs, *red;
	int r = 0;
	const struct estimation estimation = agreed_estimation(negotiation, line);
	struct media_format format = line->format;
	uint8_t payload_type;
	bool is_sent =
		line->is_sending_wanted && media_format_find(&line->remote, &line->send.format,
							     &payload_type, ret_rtx_payload_type);

	if (!is_sent &&
	    !media_format_find(&line->remote, &line->format, &payload_type, ret_rtx_payload_type)) {
		payload_type = line->offered_payload_type;
		*ret_rtx_payload_type = line->offered_rtx_payload_type;
	}
	theirs = sdp_codec_find_payload_type(&line->remote, payload_type);
	if (theirs)
		(void)media_format_read(theirs, &format);
	/* First comes what the peer is to send. */
	if (line->is_publishing && line->red_payload_type)
		r = add_red(media, line->red_payload_type, payload_type);
	if (r == 0)
		r = add_codec(media, &format, line->is_ours ? NULL : theirs, payload_type,
			      *ret_rtx_payload_type, &estimation);
	red = is_sent ? sdp_codec_find_red(&line->remote, payload_type) : NULL;
	if (r == 0 && red && !(line->is_publishing && line->red_payload_type))
		r = add_red(media, red->payload_type, payload_type);
	return r < 0 ? r : is_sent;
}

/* The same in an offer, where the line is ours. */
static int write_offered_codec(const struct negotiation *negotiation, const struct media_line *line,
			       struct sdp_media *media, uint8_t *ret_rtx_payload_type)
{
	const struct estimation estimation = sent_estimation(negotiation);
	uint8_t red_payload_type =
		red_payload_type_of_peer(negotiation, line->offered_payload_type);
	int r = add_codec(media, offered_format(line), NULL, line->offered_payload_type,
			  line->offered_rtx_payload_type, &estimation);

	if (r == 0 && line->kind == MEDIA_AUDIO && red_payload_type)
		r = add_red(media, red_payload_type, line->offered_payload_type);
	*ret_rtx_payload_type = line->offered_rtx_payload_type;
	return r < 0 ? r : line->is_sending_wanted;
}

static int write_line(const struct negotiation *negotiation, const struct media_line *line,
		      bool as_offer, struct sdp_media *media)
{
	const struct estimation estimation = sent_estimation(negotiation);
	uint8_t rtx_payload_type;
	unsigned direction = DIRECTION_INACTIVE;
	int r;

	media->kind = line->kind;
	memcpy(media->mid, line->mid, sizeof(media->mid));
	media->rtcp_mux = media->rtcp_rsize = true;
	if (line->is_rejected)
		return write_rejected(line, media);
	r = line->is_ours && as_offer
		    ? write_offered_codec(negotiation, line, media, &rtx_payload_type)
		    : write_agreed_codec(negotiation, line, media, &rtx_payload_type);
	if (line->is_publishing)
		direction |= DIRECTION_RECEIVE;
	if (r > 0) {
		direction |= DIRECTION_SEND;
		r = write_send(negotiation, line, rtx_payload_type, media);
	}
	if (r < 0)
		return r;
	media->direction = (enum sdp_direction)direction;
	write_received_layers(line, media);
	if (line->is_ours) {
		add_offered_extensions(negotiation, line, media);
		media->extension_ids[EXTENSION_TRANSPORT_CC] = estimation.transport_cc_id;
		media->extension_ids[EXTENSION_ABS_SEND_TIME] = estimation.abs_send_time_id;
	} else {
		add_received_extensions(negotiation, line, media);
	}
	return 0;
}

int negotiation_write(const struct negotiation *negotiation, bool as_offer, struct sdp **ret_sdp)
{
	const struct negotiation_identity *identity = &negotiation->identity;
	/* An answer has the lines of the offer that it answers; ours of the future come after. */
	size_t line_count =
		as_offer ? negotiation->line_count : negotiation_agreed_count(negotiation);
	AUTO(sdp) sdp = sdp_new(line_count, identity->candidate_count);

	if (!sdp)
		return -ENOMEM;
	(void)snprintf(sdp->ice_ufrag, sizeof(sdp->ice_ufrag), "%s", identity->ice_ufrag);
	(void)snprintf(sdp->ice_password, sizeof(sdp->ice_password), "%s", identity->ice_password);
	sdp->ice_lite = true;
	sdp->extmap_allow_mixed = as_offer || negotiation->remote_allows_mixed;
	memcpy(sdp->fingerprint_sha256, identity->fingerprint_sha256,
	       sizeof(sdp->fingerprint_sha256));
	sdp->has_fingerprint = true;
	/* The client starts the handshake, so that it also retransmits (RFC 8842). */
	sdp->setup = as_offer ? SETUP_ACTPASS : SETUP_PASSIVE;
	sdp->session_id = negotiation->session_id;
	sdp->session_version = negotiation->session_version;
	for (size_t i = 0; i < identity->candidate_count; i++)
		sdp->candidates[i] = identity->candidates[i];
	for (size_t i = 0; i < line_count; i++) {
		int r = write_line(negotiation, negotiation->lines[i], as_offer, &sdp->media[i]);

		if (r < 0)
			return r;
	}
	*ret_sdp = STEAL(sdp);
	return 0;
}
