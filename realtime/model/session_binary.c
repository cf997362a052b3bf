#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"
#include "core/log.h"
#include "realtime/model/session_private.h"
#include "realtime/wire/native.h"

/* The type that the message will have. -EPROTONOSUPPORT "type_not_allowed" */
static int choose_type(const struct session_limits *limits, const char *declared,
		       const struct slice *bytes, const char **ret_type, struct error *reterr)
{
	const char *sniffed = limits->sniff(limits->sniff_data, bytes->data, bytes->length);

	return file_rules_choose_type(&limits->files, declared, sniffed, ret_type, reterr);
}

static int publish_bytes(struct session *session, const struct envelope_attachment *fields,
			 uint8_t *taken, size_t length, const json_t *request_id,
			 uint64_t now_unix_us, struct error *reterr)
{
	AUTO_FREE uint8_t *bytes = taken;
	const char *type = NULL, *sender = session_sender(session);
	AUTO(publication) publication = publication_new(fields->channel, "null", sender, NULL);
	int r = choose_type(session->limits, fields->content_type, &(struct slice){bytes, length},
			    &type, reterr);

	if (r < 0)
		return r;
	if (!publication ||
	    publication_attach_take(publication, type, fields->filename, STEAL(bytes), length) <
		    0 ||
	    envelope_options_apply(&fields->options, publication, (int64_t)(now_unix_us / 1000)) <
		    0)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	LOG(LOG_DEBUG, LOG_WEBSOCKET, "binary_sent",
	    LOG_TEXT("connection", session->subscriber.connection_id),
	    LOG_TEXT("user", session->subscriber.identity->user_id),
	    LOG_TEXT("channel", publication->channel), LOG_TEXT("content_type", type),
	    LOG_INT("file_size", (int64_t)publication->attachment.size_bytes));
	return session_publish_take(session, STEAL(publication), request_id, now_unix_us, reterr);
}

int session_attach(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		   struct error *reterr)
{
	const json_t *data = json_object_get(envelope->body, "binary_data");
	struct envelope_attachment fields;
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length = json_string_length(data);
	int r = envelope_attachment_get(envelope->body, &fields, reterr);

	if (r == 0 && !data)
		r = json_missing("binary_data", reterr);
	if (r == 0 && !json_is_string(data))
		r = error_set_field(reterr, -EINVAL, "bad_field", "binary_data",
				    "binary_data must be a string in base64");
	if (r == 0)
		r = file_rules_check_size(&session->limits->files,
					  base64_text_bytes(json_string_value(data), length),
					  "binary_data", reterr);
	if (r < 0)
		return r;
	bytes = malloc(base64_decoded_max(length) + 1);
	if (!bytes)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (base64_decode(json_string_value(data), length, bytes, &length) < 0)
		return error_set_field(reterr, -EINVAL, "bad_base64", "binary_data",
				       "binary_data is no base64 (RFC 4648 section 4)");
	return publish_bytes(session, &fields, STEAL(bytes), length, envelope->id, now_unix_us,
			     reterr);
}

static int take_frame(struct session *session, const void *message, size_t message_length,
		      struct native_header *header, uint64_t now_unix_us, struct error *reterr)
{
	struct slice meta_text = {0}, payload = {0};
	struct envelope_attachment fields;
	AUTO_JSON meta = NULL;
	AUTO_JSON request_id = NULL;
	AUTO_FREE uint8_t *bytes = NULL;
	int r = native_frame_decode(message, message_length, header, &meta_text, &payload, reterr);

	if (r == 0)
		r = json_object_parse((const char *)meta_text.data, meta_text.length, &meta,
				      reterr);
	if (r == 0)
		r = envelope_attachment_get(meta, &fields, reterr);
	if (r == 0)
		r = file_rules_check_size(&session->limits->files, payload.length, "binary_data",
					  reterr);
	if (r < 0)
		return r;
	fields.options.is_persistent |= header->is_persistent;
	bytes = malloc(payload.length + 1);
	request_id = header->number ? json_integer((json_int_t)header->number) : NULL;
	if (!bytes)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	if (payload.length > 0)
		memcpy(bytes, payload.data, payload.length);
	return publish_bytes(session, &fields, STEAL(bytes), payload.length, request_id,
			     now_unix_us, reterr);
}

void session_on_binary(struct session *session, const void *bytes, size_t length,
		       uint64_t now_unix_us)
{
	enum wire_form form = session->subscriber.form;
	struct native_header header = {0};
	struct error error = {0};
	AUTO_JSON request_id = NULL;

	if (!session_is_within_rate(session, NULL, now_unix_us))
		return;
	if (session->is_awaiting) {
		(void)error_set(&error, -EKEYREJECTED, "authentication_required",
				"say who you are first, in a text message");
		session_refuse(session, NULL, &error);
		return;
	}
	session_set_form(session, true,
			 form == FORM_WEBSOCKET_DEFLATED || form == FORM_NATIVE_DEFLATED);
	if (take_frame(session, bytes, length, &header, now_unix_us, &error) >= 0)
		return;
	request_id = header.number ? json_integer((json_int_t)header.number) : NULL;
	session_refuse(session, request_id, &error);
}
