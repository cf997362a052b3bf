/* publication.h - one message of a channel, and its bytes for every kind of connection.
 *
 * Its text is fixed when it is made, its place (offset, epoch, position) when the hub gives it one;
 * after that it is constant. Each wire form is encoded at most once, on first use, and shared.
 *
 * position: one sequence over all channels, in the order of delivery, seen outside as the
 * message_id "msg_<16 hex digits>". A reader of several channels resumes by it (protocol section
 * 4): having seen `cursor`, it has seen everything stored up to there.
 *
 * Thread: loop; but a store thread may read the constant fields while the loop holds a reference
 * for it, and may make new ones to hand over.
 */
#ifndef REALTIME_WIRE_PUBLICATION_H
#define REALTIME_WIRE_PUBLICATION_H

#include <stdbool.h>
#include <stdint.h>

#include "realtime/wire/frame.h"

enum { EPOCH_SIZE = 24, MESSAGE_ID_SIZE = 24 };

enum publication_kind { PUBLICATION_MESSAGE, PUBLICATION_BINARY, PUBLICATION_NOTIFICATION };

/* As it stands in the store, and in `type`. */
const char *publication_kind_name(enum publication_kind kind);
/* Unknown names are messages. */
enum publication_kind publication_kind_parse(const char *name);

/* What a binary message carries. */
struct attachment {
	char *content_type; /* owned */
	char *filename;	    /* owned; NULL if it has none */
	uint8_t *bytes;	    /* owned; NULL if they lie in a file */
	size_t size_bytes;
	char *file_id, *sha256; /* owned; NULL if they do not */
};

struct publication {
	unsigned refs;
	enum publication_kind kind;
	char *channel, *data; /* owned; data is JSON: of a notification the object of its fields */
	char *sender, *tags;  /* owned; NULL if there are none; tags is JSON */
	struct attachment attachment; /* of a binary message */
	char *notification_type;      /* of a notification; owned */
	char *idempotency_key;	      /* owned; NULL if it has none */
	char *excluded_connection_id; /* who does not get it; owned; NULL for nobody */
	bool is_persistent, is_replayed;
	int64_t created_at_unix_ms, expires_at_unix_ms; /* 0: does not expire */
	uint64_t offset, position;
	char epoch[EPOCH_SIZE];
	uint64_t cursor; /* position up to which everything stored has been delivered */
	struct frame *frames[FORM_COUNT];
};

/* Strings are copied. NULL without memory. */
struct publication *publication_new(const char *channel, const char *data, const char *sender,
				    const char *tags);
/* Make it a binary message. Texts are copied, `filename` may be NULL; `bytes` (malloc()ed) is taken
 * in any case. -ENOMEM */
int publication_attach_take(struct publication *publication, const char *content_type,
			    const char *filename, uint8_t *bytes, size_t length) MUST_CHECK;
/* The same for bytes that lie in a file. -ENOMEM */
int publication_attach_file(struct publication *publication, const char *content_type,
			    const char *filename, const char *file_id, const char *sha256,
			    size_t size_bytes) MUST_CHECK;

struct publication *publication_ref(struct publication *publication);
struct publication *publication_unref(struct publication *publication);
DEFINE_AUTO(publication, publication_unref);

/* Bytes of its content, whatever the form. */
size_t publication_size(const struct publication *publication);

/* Borrowed; NULL without memory. */
struct frame *publication_frame_get(struct publication *publication, enum wire_form form);

/* The JSON object that travels in every form: malloc()ed, NUL-terminated; NULL without memory. */
char *publication_to_json(const struct publication *publication);

void message_id_format(uint64_t position, char out[MESSAGE_ID_SIZE]);
/* -EINVAL if it is not one of ours. */
int message_id_parse(const char *text, uint64_t *ret_position) MUST_CHECK;

#endif
