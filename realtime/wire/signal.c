#include "realtime/wire/signal.h"

#include <errno.h>
#include <string.h>

#include "core/id.h"
#include "realtime/wire/envelope.h"

enum { WORD_MAX = 64 };

static bool is_one_of(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

static int check_content(const struct signal *signal, struct error *reterr)
{
	const char *sdp;
	json_t *candidate;
	int r;

	if (strcmp(signal->signal_type, "offer") == 0 ||
	    strcmp(signal->signal_type, "answer") == 0) {
		r = json_get_text(signal->body, "sdp", 1, SIGNAL_SDP_MAX, &sdp, reterr);
		return r == 0 ? json_missing("sdp", reterr) : r;
	}
	if (strcmp(signal->signal_type, "ice-candidate") != 0)
		return 0;
	if (!json_object_get(signal->body, "ice_candidate"))
		return json_missing("ice_candidate", reterr);
	/* null says that there are no more */
	r = json_get_container(signal->body, "ice_candidate", JSON_OBJECT, &candidate, reterr);
	if (r > 0 && json_dumpb(candidate, NULL, 0, JSON_COMPACT) > SIGNAL_CANDIDATE_MAX)
		return error_set_field(reterr, -EINVAL, "bad_field", "ice_candidate",
				       "ice_candidate must have at most %d bytes",
				       SIGNAL_CANDIDATE_MAX);
	return r;
}

static int read_signal(struct signal *signal, struct error *reterr)
{
	static const char *const words[] = {"offer", "answer", "ice-candidate", "bye",
					    "renegotiate"};
	int r = json_get_text(signal->body, "signal_type", 1, WORD_MAX, &signal->signal_type,
			      reterr);

	if (r == 0)
		return json_missing("signal_type", reterr);
	if (r > 0 && !is_one_of(signal->signal_type, words, ARRAY_LEN(words)))
		return error_set_field(reterr, -EINVAL, "bad_field", "signal_type",
				       "signal_type must be offer, answer, ice-candidate, bye or "
				       "renegotiate");
	if (r > 0)
		r = json_get_text(signal->body, "target_peer_id", 1, PEER_ID_MAX,
				  &signal->target_peer_id, reterr);
	if (r >= 0)
		r = json_get_text(signal->body, "room_id", 1, ROOM_ID_MAX, &signal->room_id,
				  reterr);
	return r < 0 ? r : check_content(signal, reterr);
}

static int read_track(const struct signal *signal, struct error *reterr)
{
	const char *mid = NULL, *track_id = NULL, *word;
	bool flag;
	int r = json_get_text(signal->body, "mid", 1, WORD_MAX, &mid, reterr);

	if (r >= 0)
		r = json_get_text(signal->body, "track_id", 1, PEER_ID_MAX, &track_id, reterr);
	if (r >= 0 && !mid && !track_id)
		return json_missing("mid", reterr);
	if (r >= 0)
		r = json_get_text(signal->body, "kind", 1, WORD_MAX, &word, reterr);
	if (r >= 0)
		r = json_get_text(signal->body, "source", 1, WORD_MAX, &word, reterr);
	if (r >= 0)
		r = json_get_bool(signal->body, "muted", &flag, reterr);
	return r < 0 ? r : 0;
}

/* How a track is shown: its size in pixels, how much it matters, or not at all for now. */
static int read_subscription(const struct signal *signal, struct error *reterr)
{
	int64_t number;
	const char *track_id;
	bool flag;
	int r = json_get_text(signal->body, "track_id", 1, PEER_ID_MAX, &track_id, reterr);

	if (r == 0)
		return json_missing("track_id", reterr);
	if (r > 0)
		r = json_get_int(signal->body, "width", 0, SIGNAL_PICTURE_MAX, &number, reterr);
	if (r >= 0)
		r = json_get_int(signal->body, "height", 0, SIGNAL_PICTURE_MAX, &number, reterr);
	if (r >= 0)
		r = json_get_int(signal->body, "priority", 0, SIGNAL_PRIORITY_MAX, &number, reterr);
	if (r >= 0)
		r = json_get_bool(signal->body, "paused", &flag, reterr);
	return r < 0 ? r : 0;
}

static int read_id(struct signal *signal, struct error *reterr)
{
	const json_t *id = json_object_get(signal->body, "id");

	if (!id || json_is_null(id))
		return 0;
	if (!json_is_integer(id) &&
	    (!json_is_string(id) || json_string_length(id) > ENVELOPE_ID_MAX))
		return error_set_field(reterr, -EINVAL, "bad_field", "id",
				       "id must be an integer or a string of at most %d bytes",
				       ENVELOPE_ID_MAX);
	signal->id = id;
	return 0;
}

static int read_body(struct signal *signal, struct error *reterr)
{
	const char *type = "signal"; /* the seed's clients leave it out */
	int r = read_id(signal, reterr);

	if (r == 0)
		r = json_get_text(signal->body, "type", 1, WORD_MAX, &type, reterr);
	if (r < 0)
		return r;
	if (strcmp(type, "signal") == 0 || strcmp(type, "webrtc_signal") == 0) {
		signal->kind = SIGNAL_SIGNAL;
		return read_signal(signal, reterr);
	}
	if (strcmp(type, "track") == 0) {
		signal->kind = SIGNAL_TRACK;
		return read_track(signal, reterr);
	}
	if (strcmp(type, "subscription") == 0) {
		signal->kind = SIGNAL_SUBSCRIPTION;
		return read_subscription(signal, reterr);
	}
	if (strcmp(type, "refresh") == 0) {
		signal->kind = SIGNAL_REFRESH;
		r = json_get_text(signal->body, "token", 1, SIGNAL_TOKEN_MAX, &signal->token,
				  reterr);
		return r == 0 ? json_missing("token", reterr) : r;
	}
	if (strcmp(type, "ping") == 0) {
		signal->kind = SIGNAL_PING;
		return 0;
	}
	return error_set_field(reterr, -EINVAL, "unknown_type", "type",
			       "there is no signalling message \"%s\"", type);
}

int signal_from_json(json_t *body, struct signal *ret_signal, struct error *reterr)
{
	*ret_signal = (struct signal){.body = json_incref(body)};
	return read_body(ret_signal, reterr);
}

int signal_parse(const char *text, size_t length, struct signal *ret_signal, struct error *reterr)
{
	int r;

	*ret_signal = (struct signal){0};
	r = json_object_parse(text, length, &ret_signal->body, reterr);
	return r < 0 ? r : read_body(ret_signal, reterr);
}

void signal_fini(struct signal *signal)
{
	json_decref(signal->body);
	*signal = (struct signal){0};
}
