/* Twenty browsers in one room join, leave, publish and stop at random, with offers that collide,
 * answers that are repeated and messages that are slow. In the end everyone has everyone's media
 * and no connection has more m-lines than it needed at once.
 *
 * The browsers follow JSEP (RFC 9429): m-lines keep their order and mids, a stopped one may be used
 * again under another mid, and while an offer of its own is open a browser passes over the SFU's.
 * RT_SEED repeats a run. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "sfu/model/negotiation.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum {
	PEERS = 20,
	STEPS = 3000,
	LINES_MAX = 128,
	TRACKS_OF_ONE_MAX = 3,
	QUEUE_MAX = 64,
	ROUNDS_TO_PEACE_MAX = 200
};

/* What one browser publishes on one of its m-lines, and who else may bind. */
struct track {
	bool is_live;
	enum media_kind kind;
	char mid[SDP_MID_MAX + 1];
	char stream_id[16], track_id[32];
};

struct browser_line {
	enum media_kind kind;
	char mid[SDP_MID_MAX + 1];
	bool is_own, is_stopped, is_publishing;
	uint32_t hears_ssrc; /* what the SFU last said it sends here */
};

struct message {
	bool is_offer;
	uint64_t offer_id; /* of the SFU's offers and the answers to them, where that is told */
	struct sdp *sdp;   /* owned */
};

/* In order, as a WebSocket keeps them. */
struct queue {
	struct message messages[QUEUE_MAX];
	size_t count;
};

struct peer {
	bool is_here;
	/* The SFU's side. */
	struct negotiation negotiation;
	bool has_offered;
	struct track tracks[LINES_MAX];	    /* by line */
	uint32_t ssrc_of[PEERS][LINES_MAX]; /* what is sent to it of whose which line; 0: nothing */
	size_t peak[2];			    /* streams wanted at once, by kind */
	/* The browser's. */
	struct browser_line lines[LINES_MAX];
	size_t line_count, own_peak[2];
	unsigned next_mid;
	bool needs_offer, has_open_offer;
	struct queue to_sfu, to_browser;
};

struct world {
	struct peer peers[PEERS];
	struct random random;
	uint32_t next_ssrc;
	size_t glares, repeats_refused;
};

/* ---- messages ---- */

static void push(struct queue *queue, bool is_offer, uint64_t offer_id, struct sdp *sdp)
{
	assert_non_null(sdp);
	assert_true(queue->count < QUEUE_MAX);
	queue->messages[queue->count++] = (struct message){is_offer, offer_id, sdp};
}

static bool pop(struct queue *queue, struct message *ret_message)
{
	if (queue->count == 0)
		return false;
	*ret_message = queue->messages[0];
	queue->count--;
	memmove(queue->messages, queue->messages + 1, queue->count * sizeof(queue->messages[0]));
	return true;
}

static void drop_all(struct queue *queue)
{
	struct message message;

	while (pop(queue, &message))
		(void)sdp_free(message.sdp);
}

/* As text and back: what a browser would really see. */
static struct sdp *through_text(const struct sdp *sdp)
{
	AUTO_FREE char *text = sdp_format(sdp);
	struct sdp *parsed = NULL;
	struct error error;

	assert_non_null(text);
	if (sdp_parse(text, strlen(text), &parsed, &error) < 0)
		fail_msg("%s: %s\n%s", error.field, error.message, text);
	return parsed;
}

/* ---- the browser ---- */

static void add_codec(struct sdp_media *media, const char *name, uint8_t payload_type,
		      uint32_t clock_rate_hz, int apt)
{
	char fmtp[16] = "";
	struct sdp_codec codec = {.payload_type = payload_type,
				  .clock_rate_hz = clock_rate_hz,
				  .channels = clock_rate_hz == 48000 ? 2 : 0,
				  .apt = (int16_t)apt,
				  .fmtp = fmtp};

	(void)snprintf(codec.name, sizeof(codec.name), "%s", name);
	if (apt >= 0)
		(void)snprintf(fmtp, sizeof(fmtp), "apt=%d", apt);
	assert_int_equal(sdp_media_add_codec(media, &codec), 0);
}

static struct sdp *browser_sdp(const struct peer *peer, size_t count, enum dtls_setup setup)
{
	struct sdp *sdp = sdp_new(count, 0);

	assert_non_null(sdp);
	(void)snprintf(sdp->ice_ufrag, sizeof(sdp->ice_ufrag), "ufrag");
	(void)snprintf(sdp->ice_password, sizeof(sdp->ice_password), "passwordpasswordpassword");
	sdp->has_fingerprint = true;
	sdp->setup = setup;
	for (size_t i = 0; i < count; i++) {
		const struct browser_line *line = &peer->lines[i];
		struct sdp_media *media = &sdp->media[i];

		media->kind = line->kind;
		(void)snprintf(media->mid, sizeof(media->mid), "%s", line->mid);
		media->rtcp_mux = true;
		media->rejected = line->is_stopped;
		if (line->kind == MEDIA_AUDIO) {
			add_codec(media, "opus", 111, 48000, -1);
		} else {
			add_codec(media, "VP8", 96, 90000, -1);
			add_codec(media, "rtx", 97, 90000, 96);
		}
	}
	return sdp;
}

static void browser_offer(struct peer *peer)
{
	AUTO(sdp) offer = browser_sdp(peer, peer->line_count, SETUP_ACTPASS);

	for (size_t i = 0; i < peer->line_count; i++) {
		const struct browser_line *line = &peer->lines[i];

		if (line->is_stopped)
			offer->media[i].direction = DIRECTION_INACTIVE;
		else if (line->is_own)
			offer->media[i].direction =
				line->is_publishing ? DIRECTION_SEND : DIRECTION_INACTIVE;
		else /* a browser keeps offering to receive what it once took */
			offer->media[i].direction = DIRECTION_RECEIVE;
	}
	peer->needs_offer = false;
	peer->has_open_offer = true;
	push(&peer->to_sfu, true, 0, through_text(offer));
}

/* The SFU's side of each line, in its offer or answer. */
static void browser_hear(struct peer *peer, const struct sdp *sdp)
{
	for (size_t i = 0; i < sdp->media_count; i++) {
		struct browser_line *line = &peer->lines[i];
		const struct sdp_media *media = &sdp->media[i];

		if (i >= peer->line_count) {
			assert_true(peer->line_count < LINES_MAX);
			*line = (struct browser_line){.kind = media->kind};
			memcpy(line->mid, media->mid, sizeof(line->mid));
			peer->line_count++;
		}
		if (!line->is_stopped) {
			assert_string_equal(line->mid, media->mid);
			assert_int_equal(line->kind, media->kind);
		}
		line->hears_ssrc = !media->rejected && (media->direction & DIRECTION_SEND) &&
						   media->ssrc_count > 0
					   ? media->ssrcs[0]
					   : 0;
	}
}

static void browser_answer(struct world *world, struct peer *peer, const struct sdp *offer,
			   uint64_t offer_id)
{
	AUTO(sdp) answer = NULL;

	browser_hear(peer, offer);
	assert_int_equal(offer->media_count, peer->line_count);
	answer = browser_sdp(peer, peer->line_count, SETUP_ACTIVE);
	for (size_t i = 0; i < peer->line_count; i++) {
		const struct browser_line *line = &peer->lines[i];
		enum sdp_direction offered = offer->media[i].direction;

		if (line->is_own)
			answer->media[i].direction =
				line->is_publishing && (offered & DIRECTION_RECEIVE)
					? DIRECTION_SEND
					: DIRECTION_INACTIVE;
		else
			answer->media[i].direction =
				offered & DIRECTION_SEND ? DIRECTION_RECEIVE : DIRECTION_INACTIVE;
		answer->media[i].rejected = line->is_stopped || offer->media[i].rejected;
	}
	push(&peer->to_sfu, false, offer_id, through_text(answer));
	if (random_below(&world->random, 8) == 0) /* told twice */
		push(&peer->to_sfu, false, offer_id, through_text(answer));
}

static void browser_receive(struct world *world, struct peer *peer)
{
	struct message message;

	if (!pop(&peer->to_browser, &message))
		return;
	if (!message.is_offer) {
		assert_true(peer->has_open_offer);
		peer->has_open_offer = false;
		browser_hear(peer, message.sdp);
	} else if (peer->has_open_offer) {
		world->glares++; /* ours goes first */
	} else {
		browser_answer(world, peer, message.sdp, message.offer_id);
	}
	(void)sdp_free(message.sdp);
}

static size_t own_publishing(const struct peer *peer, enum media_kind kind)
{
	size_t count = 0;

	for (size_t i = 0; i < peer->line_count; i++)
		count += peer->lines[i].is_own && peer->lines[i].is_publishing &&
			 peer->lines[i].kind == kind;
	return count;
}

/* Where the next track goes: an idle line of its kind, a stopped one, or a new one. Lines change
 * only while no offer is open, as a later one would anyway. */
static void browser_publish(struct world *world, struct peer *peer)
{
	enum media_kind kind = random_below(&world->random, 2) ? MEDIA_VIDEO : MEDIA_AUDIO;
	struct browser_line *line = NULL;
	size_t count = own_publishing(peer, kind) + 1;

	if (peer->has_open_offer || count > TRACKS_OF_ONE_MAX)
		return;
	for (size_t i = 0; i < peer->line_count && !line; i++)
		if (peer->lines[i].is_own && !peer->lines[i].is_stopped &&
		    !peer->lines[i].is_publishing && peer->lines[i].kind == kind)
			line = &peer->lines[i];
	for (size_t i = 0; i < peer->line_count && !line; i++)
		if (peer->lines[i].is_own && peer->lines[i].is_stopped)
			line = &peer->lines[i];
	if (!line) {
		assert_true(peer->line_count < LINES_MAX);
		line = &peer->lines[peer->line_count++];
		line->is_stopped = true;
	}
	if (line->is_stopped) {
		*line = (struct browser_line){.kind = kind, .is_own = true};
		(void)snprintf(line->mid, sizeof(line->mid), "%u", peer->next_mid++);
	}
	line->is_publishing = true;
	if (count > peer->own_peak[kind == MEDIA_VIDEO])
		peer->own_peak[kind == MEDIA_VIDEO] = count;
	browser_offer(peer);
}

static void browser_unpublish(struct world *world, struct peer *peer)
{
	uint32_t skip = random_below(&world->random, 4);
	bool stops = random_below(&world->random, 2);

	for (size_t i = 0; i < peer->line_count && !peer->has_open_offer; i++) {
		struct browser_line *line = &peer->lines[i];

		if (!line->is_own || !line->is_publishing || skip-- > 0)
			continue;
		line->is_publishing = false;
		line->is_stopped = stops;
		browser_offer(peer);
		return;
	}
}

/* ---- the SFU: what room.c and subscription.c do with the model ---- */

static void note_peaks(struct peer *peer)
{
	size_t count[2] = {0, 0};

	for (size_t i = 0; i < peer->negotiation.line_count; i++)
		count[peer->negotiation.lines[i]->kind == MEDIA_VIDEO] +=
			peer->negotiation.lines[i]->is_sending_wanted;
	for (int kind = 0; kind < 2; kind++)
		if (count[kind] > peer->peak[kind])
			peer->peak[kind] = count[kind];
}

static void subscribe(struct world *world, struct peer *to, size_t of, size_t line)
{
	struct track *track = &world->peers[of].tracks[line];
	struct send_stream stream = {.binding = track,
				     .stream_id = track->stream_id,
				     .track_id = track->track_id,
				     .ssrc = world->next_ssrc++};

	stream.format.codec = track->kind == MEDIA_VIDEO ? relay_codec_find("VP8", 90000)
							 : relay_codec_find("opus", 48000);
	stream.rtx_ssrc = track->kind == MEDIA_VIDEO ? world->next_ssrc++ : 0;
	(void)snprintf(track->stream_id, sizeof(track->stream_id), "peer_%zu", of);
	(void)snprintf(track->track_id, sizeof(track->track_id), "track_%zu_%zu", of, line);
	assert_int_equal(negotiation_add_send(&to->negotiation, &stream, NULL), 0);
	to->ssrc_of[of][line] = stream.ssrc;
	note_peaks(to);
}

static void begin_track(struct world *world, size_t of, size_t line)
{
	for (size_t i = 0; i < PEERS; i++)
		if (i != of && world->peers[i].is_here)
			subscribe(world, &world->peers[i], of, line);
}

static void end_track(struct world *world, size_t of, size_t line)
{
	world->peers[of].tracks[line].is_live = false;
	for (size_t i = 0; i < PEERS; i++)
		if (i != of && world->peers[i].is_here) {
			negotiation_remove_send(&world->peers[i].negotiation,
						&world->peers[of].tracks[line]);
			world->peers[i].ssrc_of[of][line] = 0;
		}
}

static void sync_tracks(struct world *world, size_t index)
{
	struct peer *peer = &world->peers[index];

	for (size_t i = 0; i < peer->negotiation.line_count; i++) {
		const struct media_line *line = peer->negotiation.lines[i];
		struct track *track = &peer->tracks[i];

		if (track->is_live && (!line->is_publishing || strcmp(track->mid, line->mid) != 0))
			end_track(world, index, i);
		if (!track->is_live && line->is_publishing) {
			*track = (struct track){.is_live = true, .kind = line->kind};
			memcpy(track->mid, line->mid, sizeof(track->mid));
			begin_track(world, index, i);
		}
	}
}

static void sfu_receive(struct world *world, size_t index)
{
	struct peer *peer = &world->peers[index];
	AUTO(sdp) answer = NULL;
	struct message message;
	struct error error = {0};
	int r;

	if (!pop(&peer->to_sfu, &message))
		return;
	if (message.is_offer) {
		r = negotiation_take_offer(&peer->negotiation, message.sdp, &answer, &error);
		if (r < 0)
			fail_msg("an offer of %zu is refused: %s", index, error.message);
		peer->has_offered = true;
		push(&peer->to_browser, false, 0, through_text(answer));
	} else {
		r = negotiation_take_answer(&peer->negotiation, message.sdp, message.offer_id,
					    &error);
		if (r < 0) {
			assert_string_equal(error.code, "stale_answer");
			assert_true(strlen(error.message) > 10);
			world->repeats_refused++;
		}
	}
	(void)sdp_free(message.sdp);
	if (r == 0)
		sync_tracks(world, index);
}

/* Every other browser is too old to know of offer_id. */
static void sfu_offer(struct peer *peer, bool knows_offer_id)
{
	AUTO(sdp) offer = NULL;

	if (!peer->negotiation.is_dirty || peer->negotiation.state != NEGOTIATION_STABLE)
		return;
	assert_int_equal(negotiation_make_offer(&peer->negotiation, &offer), 0);
	push(&peer->to_browser, true, knows_offer_id ? peer->negotiation.offer_id : 0,
	     through_text(offer));
}

static void join(struct world *world, size_t index)
{
	struct peer *peer = &world->peers[index];
	const struct negotiation_identity identity = {
		.ice_ufrag = "sfuf", .ice_password = "sfupasswordsfupassword", .cname = "sfu"};

	memset(peer, 0, sizeof(*peer));
	peer->is_here = true;
	negotiation_init(&peer->negotiation, &identity, index + 1);
	for (size_t of = 0; of < PEERS; of++)
		for (size_t line = 0; line < LINES_MAX; line++)
			if (of != index && world->peers[of].is_here &&
			    world->peers[of].tracks[line].is_live)
				subscribe(world, peer, of, line);
}

static void leave(struct world *world, size_t index)
{
	struct peer *peer = &world->peers[index];

	for (size_t line = 0; line < LINES_MAX; line++)
		if (peer->tracks[line].is_live)
			end_track(world, index, line);
	peer->is_here = false;
	negotiation_fini(&peer->negotiation);
	drop_all(&peer->to_sfu);
	drop_all(&peer->to_browser);
}

/* ---- a run ---- */

static void step(struct world *world)
{
	size_t index = random_below(&world->random, PEERS);
	struct peer *peer = &world->peers[index];
	uint32_t choice = random_below(&world->random, 100);

	if (!peer->is_here) {
		if (choice < 30)
			join(world, index);
		return;
	}
	if (choice < 1)
		leave(world, index);
	else if (choice < 12)
		browser_publish(world, peer);
	else if (choice < 18)
		browser_unpublish(world, peer);
	else if (choice < 45)
		sfu_receive(world, index);
	else if (choice < 72)
		browser_receive(world, peer);
	else
		sfu_offer(peer, index % 2);
}

/* Nobody does anything new; what is owed is delivered. */
static void settle(struct world *world)
{
	for (int round = 0; round < ROUNDS_TO_PEACE_MAX; round++) {
		bool is_quiet = true;

		for (size_t i = 0; i < PEERS; i++) {
			struct peer *peer = &world->peers[i];

			if (!peer->is_here)
				continue;
			is_quiet = is_quiet && peer->to_sfu.count == 0 &&
				   peer->to_browser.count == 0 && !peer->negotiation.is_dirty &&
				   peer->negotiation.state == NEGOTIATION_STABLE;
			sfu_receive(world, i);
			browser_receive(world, peer);
			sfu_offer(peer, i % 2);
		}
		if (is_quiet)
			return;
	}
	fail_msg("it goes on and on");
}

static bool browser_hears(const struct peer *peer, uint32_t ssrc)
{
	for (size_t i = 0; i < peer->line_count; i++)
		if (peer->lines[i].hears_ssrc == ssrc && !peer->lines[i].is_stopped)
			return true;
	return false;
}

static bool sfu_sends(const struct peer *peer, uint32_t ssrc)
{
	for (size_t i = 0; i < peer->negotiation.line_count; i++)
		if (peer->negotiation.lines[i]->is_sending_live &&
		    peer->negotiation.lines[i]->send.ssrc == ssrc)
			return true;
	return false;
}

static void check_everyone_has_everything(const struct world *world, size_t index)
{
	const struct peer *peer = &world->peers[index];
	size_t wanted = 0, heard = 0;

	for (size_t of = 0; of < PEERS; of++)
		for (size_t line = 0; line < LINES_MAX; line++) {
			if (of == index || !world->peers[of].is_here ||
			    !world->peers[of].tracks[line].is_live)
				continue;
			wanted++;
			if (!browser_hears(peer, peer->ssrc_of[of][line]))
				fail_msg("%zu does not know of m-line %zu of %zu", index, line, of);
			if (!sfu_sends(peer, peer->ssrc_of[of][line]))
				fail_msg("%zu is not sent m-line %zu of %zu", index, line, of);
		}
	for (size_t i = 0; i < peer->line_count; i++)
		heard += peer->lines[i].hears_ssrc != 0;
	assert_int_equal(heard, wanted); /* and nothing that is over */
}

static void check_what_is_published(const struct world *world, size_t index)
{
	const struct peer *peer = &world->peers[index];

	for (size_t i = 0; i < peer->line_count; i++)
		assert_int_equal(peer->tracks[i].is_live,
				 peer->lines[i].is_own && peer->lines[i].is_publishing);
	assert_int_equal(peer->line_count, peer->negotiation.line_count);
	for (size_t i = 0; i < peer->line_count; i++)
		assert_true(peer->lines[i].is_own || peer->negotiation.lines[i]->is_ours);
	assert_true(peer->line_count <=
		    peer->peak[0] + peer->peak[1] + peer->own_peak[0] + peer->own_peak[1]);
}

static void everyone_ends_with_everyones_media(void **state)
{
	struct world *world = calloc(1, sizeof(*world));

	(void)state;
	world->random = random_from_environment();
	world->next_ssrc = 1;
	for (int phase = 0; phase < 6; phase++) {
		for (int i = 0; i < STEPS; i++)
			step(world);
		settle(world);
		for (size_t i = 0; i < PEERS; i++)
			if (world->peers[i].is_here) {
				check_everyone_has_everything(world, i);
				check_what_is_published(world, i);
			}
	}
	assert_true(world->glares > 20);
	assert_true(world->repeats_refused > 20);
	for (size_t i = 0; i < PEERS; i++)
		if (world->peers[i].is_here)
			leave(world, i);
	free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(everyone_ends_with_everyones_media)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
