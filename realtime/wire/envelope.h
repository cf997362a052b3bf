/* envelope.h - what a client says over WebSocket: one JSON object with `type` (protocol section 3).
 *
 * Nothing here knows whether the client may, or what follows. Strings are borrowed from the
 * envelope. Thread: any.
 */
#ifndef REALTIME_WIRE_ENVELOPE_H
#define REALTIME_WIRE_ENVELOPE_H

#include <stdint.h>

#include "core/canonical_json.h"
#include "core/error.h"
#include "core/json.h"
#include "realtime/wire/publication.h"

enum envelope_type {
	ENVELOPE_SUBSCRIBE,
	ENVELOPE_UNSUBSCRIBE,
	ENVELOPE_MESSAGE,
	ENVELOPE_TEXT,
	ENVELOPE_BINARY,
	ENVELOPE_BROADCAST,
	ENVELOPE_HISTORY,
	ENVELOPE_PRESENCE,
	ENVELOPE_DIRECT,
	ENVELOPE_NOTIFICATION,
	ENVELOPE_SIGNAL,
	ENVELOPE_AUTH,
	ENVELOPE_REFRESH,
	ENVELOPE_PING
};

enum {
	ENVELOPE_CHANNELS_MAX = 128,
	ENVELOPE_ID_MAX = 64,
	HISTORY_LIMIT_MAX = 1000,
	IDEMPOTENCY_KEY_MAX = 128,
	INFO_BYTES_MAX = 1024 /* as JSON */
};

struct envelope {
	enum envelope_type type;
	json_t *body; /* owned; NULL if it was no JSON object */
	json_t *id;   /* borrowed from body; NULL if there is none */
	/* Of a message to be published, if it is canonical: its data, borrowed from the text that
	 * was parsed. The body has null instead. text NULL: not taken out. */
	struct json_slice data;
};

/* On failure body and id are still set as far as they were understood, so that the answer can carry
 * the id; envelope_fini() is due in any case.
 *   -EINVAL "bad_json", "missing_field", "bad_field", "unknown_type" */
int envelope_parse(const char *text, size_t length, struct envelope *ret_envelope,
		   struct error *reterr) MUST_CHECK;
void envelope_fini(struct envelope *envelope);
#define AUTO_ENVELOPE __attribute__((cleanup(envelope_fini))) struct envelope

struct envelope_position {
	const char *epoch;
	int64_t offset;
};

/* `channel` or `channels`; repeated names are kept. */
struct envelope_channels {
	const char *names[ENVELOPE_CHANNELS_MAX];
	size_t count;
};
int envelope_channels_get(const struct envelope *envelope, struct envelope_channels *ret_channels,
			  struct error *reterr) MUST_CHECK;

struct envelope_subscribe {
	struct envelope_channels channels;
	struct envelope_position recover; /* epoch NULL: not asked for */
	int64_t history_limit;		  /* -1: not said */
	const json_t *filters, *info;	  /* NULL: none */
	bool wants_presence, wants_join_leave;
};
int envelope_subscribe_get(const struct envelope *envelope, struct envelope_subscribe *ret,
			   struct error *reterr) MUST_CHECK;

/* What every message for a channel may ask for. */
struct envelope_options {
	bool is_persistent;
	int64_t ttl_s;		     /* 0: the default */
	const json_t *tags;	     /* NULL: none */
	const char *idempotency_key; /* NULL: none */
};
int envelope_options_get(const json_t *object, struct envelope_options *ret,
			 struct error *reterr) MUST_CHECK;
/* Give them to a message that is to be published now. -ENOMEM */
int envelope_options_apply(const struct envelope_options *options, struct publication *publication,
			   int64_t now_unix_ms) MUST_CHECK;

/* Of `message` (data is any JSON), of `text` (data is a string, the channel may be missing), of
 * `direct` (to a user instead of a channel), and of `broadcast` (data is any JSON, there is no
 * channel and nothing is kept). */
struct envelope_message {
	const char *channel;	 /* NULL: a broadcast, or direct */
	const char *user_id;	 /* of `direct` */
	const json_t *data;	 /* borrowed; NULL: it is below */
	struct json_slice slice; /* borrowed from the text, which must live as long */
	struct envelope_options options;
};
/* The data as it is published, malloced; NULL: out of memory. */
char *envelope_message_data(const struct envelope_message *message);
int envelope_message_get(const struct envelope *envelope, struct envelope_message *ret,
			 struct error *reterr) MUST_CHECK;

/* Of `binary`, and of the JSON that describes a native frame: everything but the bytes. */
struct envelope_attachment {
	const char *channel;
	const char *content_type; /* NULL: not said */
	const char *filename;	  /* NULL: none */
	struct envelope_options options;
};
int envelope_attachment_get(const json_t *object, struct envelope_attachment *ret,
			    struct error *reterr) MUST_CHECK;

/* Nothing in `object` asks more of a broadcast than it can do. -EINVAL "bad_field" */
int broadcast_check(const json_t *object, struct error *reterr) MUST_CHECK;

struct envelope_history {
	const char *channel;
	struct envelope_position since; /* epoch NULL: from the newest back */
	int64_t limit;
	bool is_reverse;
};
int envelope_history_get(const struct envelope *envelope, struct envelope_history *ret,
			 struct error *reterr) MUST_CHECK;

/* Of `notification`, but for its own fields (realtime/wire/notification.h): exactly one of these.
 */
struct envelope_target {
	const char *channel, *user_id;
	bool is_broadcast;
};
int envelope_target_get(const json_t *object, struct envelope_target *ret,
			struct error *reterr) MUST_CHECK;

/* `channel` alone, as of `presence`. -EINVAL "missing_field", "bad_field" */
int envelope_channel_get(const struct envelope *envelope, const char **ret_channel,
			 struct error *reterr) MUST_CHECK;

/* A channel name from outside. -EINVAL "bad_field" */
int channel_name_check(const char *name, const char *field, struct error *reterr) MUST_CHECK;

#endif
