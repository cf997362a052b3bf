#include "core/bus.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"

const char *bus_message_name(enum bus_message message)
{
	switch (message) {
#define X(name, number, text)                                                                      \
	case BUS_##name:                                                                           \
		return text;
		BUS_MESSAGES(X)
#undef X
	}
	return "unknown";
}

void bus_name_request(enum bus_kind kind, json_t *body)
{
	if (*log_request() && body && (kind == BUS_REQUEST || kind == BUS_EVENT))
		(void)json_object_set_new(body, "request", json_string(log_request()));
}

void bus_take_request(json_t *body)
{
	log_set_request(json_string_value(json_object_get(body, "request")));
	(void)json_object_del(body, "request");
}

int bus_frame_encode(enum bus_kind kind, enum bus_message message, uint32_t request_id,
		     const json_t *body, const void *payload, size_t payload_bytes,
		     uint8_t **ret_bytes, size_t *ret_length)
{
	AUTO_FREE char *text = json_dumps(body, JSON_COMPACT);
	size_t text_bytes, length;
	struct writer writer;
	uint8_t *bytes;

	if (!text)
		return -ENOMEM;
	text_bytes = strlen(text);
	length = BUS_HEADER_BYTES + text_bytes + payload_bytes;
	if (payload_bytes > BUS_FRAME_MAX || length > BUS_FRAME_MAX)
		return -EMSGSIZE;
	bytes = malloc(length);
	if (!bytes)
		return -ENOMEM;
	writer = writer_over(bytes, length);
	write_u32(&writer, (uint32_t)(length - 4));
	write_u8(&writer, BUS_VERSION);
	write_u8(&writer, (uint8_t)kind);
	write_u16(&writer, (uint16_t)message);
	write_u32(&writer, request_id);
	write_u32(&writer, (uint32_t)text_bytes);
	write_bytes(&writer, text, text_bytes);
	write_bytes(&writer, payload, payload_bytes);
	*ret_bytes = bytes;
	*ret_length = length;
	return 0;
}

void bus_frame_fini(struct bus_frame *frame)
{
	json_decref(frame->body);
	free(frame->payload);
	*frame = (struct bus_frame){0};
}

void bus_decoder_fini(struct bus_decoder *decoder)
{
	free(decoder->bytes);
	*decoder = (struct bus_decoder){0};
}

int bus_decoder_feed(struct bus_decoder *decoder, const void *bytes, size_t length)
{
	if (decoder->taken > 0) { /* close the gap that decoded frames left */
		memmove(decoder->bytes, decoder->bytes + decoder->taken,
			decoder->length - decoder->taken);
		decoder->length -= decoder->taken;
		decoder->taken = 0;
	}
	if (decoder->length + length > decoder->capacity) {
		size_t capacity = decoder->capacity ? decoder->capacity : 4096;
		uint8_t *grown;

		while (capacity < decoder->length + length)
			capacity *= 2;
		grown = realloc(decoder->bytes, capacity);
		if (!grown)
			return -ENOMEM;
		decoder->bytes = grown;
		decoder->capacity = capacity;
	}
	if (length > 0)
		memcpy(decoder->bytes + decoder->length, bytes, length);
	decoder->length += length;
	return 0;
}

int bus_decoder_next(struct bus_decoder *decoder, struct bus_frame *ret_frame)
{
	struct reader reader =
		reader_over(decoder->bytes + decoder->taken, decoder->length - decoder->taken);
	struct bus_frame frame = {0};
	uint32_t rest, text_bytes;
	const uint8_t *text;
	uint8_t version;

	if (reader_left(&reader) < BUS_HEADER_BYTES)
		return 0;
	rest = read_u32(&reader);
	version = read_u8(&reader);
	frame.kind = read_u8(&reader);
	frame.message = read_u16(&reader);
	frame.request_id = read_u32(&reader);
	text_bytes = read_u32(&reader);
	if (version != BUS_VERSION || frame.kind < BUS_REQUEST || frame.kind > BUS_EVENT ||
	    rest > BUS_FRAME_MAX || rest < BUS_HEADER_BYTES - 4 ||
	    text_bytes > rest - (BUS_HEADER_BYTES - 4))
		return -EBADMSG;
	frame.payload_bytes = rest - (BUS_HEADER_BYTES - 4) - text_bytes;
	if (reader_left(&reader) < text_bytes + frame.payload_bytes)
		return 0;
	text = read_bytes(&reader, text_bytes);
	frame.body = json_loadb((const char *)text, text_bytes, 0, NULL);
	if (!json_is_object(frame.body)) {
		json_decref(frame.body);
		return -EBADMSG;
	}
	if (frame.payload_bytes > 0) {
		frame.payload = malloc(frame.payload_bytes);
		if (!frame.payload) {
			json_decref(frame.body);
			return -ENOMEM;
		}
		memcpy(frame.payload, read_bytes(&reader, frame.payload_bytes),
		       frame.payload_bytes);
	}
	decoder->taken += reader.offset;
	*ret_frame = frame;
	return 1;
}

json_t *bus_error_to_json(const struct error *error)
{
	return json_pack("{s:i, s:s, s:s, s:s}", "number", error->number, "code", error->code,
			 "field", error->field, "detail", error->message);
}

int bus_error_from_json(const json_t *body, struct error *reterr)
{
	int number = (int)json_integer_value(json_object_get(body, "number"));
	const char *code = json_string_value(json_object_get(body, "code"));
	const char *field = json_string_value(json_object_get(body, "field"));
	const char *detail = json_string_value(json_object_get(body, "detail"));

	if (number >= 0)
		number = -EIO; /* an error is never a success, whatever the far end wrote */
	return error_set_field(reterr, number, code ? code : "internal_error", field ? field : "",
			       "%s", detail ? detail : "");
}
