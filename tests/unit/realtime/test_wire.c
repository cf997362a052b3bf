/* The bytes of messages, both ways: frames, events, cursors, envelopes, signals. */
#include <errno.h>
#include <string.h>

#include "core/json.h"
#include "realtime/wire/deflate.h"
#include "realtime/wire/envelope.h"
#include "realtime/wire/frame.h"
#include "realtime/wire/native.h"
#include "realtime/wire/publication.h"
#include "realtime/wire/request_head.h"
#include "realtime/wire/signal.h"
#include "realtime/wire/sse.h"
#include "tests/unit/cmocka_all.h"

static void frame_headers_grow_with_their_payload(void **state)
{
	static const struct {
		size_t payload, header;
		uint8_t length_byte;
	} cases[] = {{0, 2, 0}, {125, 2, 125}, {126, 4, 126}, {65535, 4, 126}, {65536, 10, 127}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FREE char *text = malloc(cases[i].payload + 1);
		AUTO(frame) frame = NULL;

		memset(text, 'x', cases[i].payload + 1);
		frame = frame_new_text(text, cases[i].payload);
		assert_int_equal(frame->length, cases[i].header + cases[i].payload);
		assert_int_equal(frame->bytes[0], 0x81);		 /* final, text */
		assert_int_equal(frame->bytes[1], cases[i].length_byte); /* never masked */
		assert_memory_equal(frame->bytes + cases[i].header, text, cases[i].payload);
	}
}

static void a_close_frame_has_code_and_reason(void **state)
{
	AUTO(frame) frame = frame_new_close(4508, "slow consumer");

	(void)state;
	assert_int_equal(frame->bytes[0], 0x88);
	assert_int_equal(frame->bytes[1], 15);
	assert_int_equal(frame->bytes[2] << 8 | frame->bytes[3], 4508);
	assert_memory_equal(frame->bytes + 4, "slow consumer", 13);
}

static void cursors_come_back_as_they_went(void **state)
{
	static const uint64_t positions[] = {0, 1, 0x000660e555fb86c2, UINT64_MAX};
	static const char *const bad[] = {"", "1", "zz00000000000000", "00000000000000000", "-1"};
	char text[SSE_CURSOR_SIZE];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(positions); i++) {
		sse_cursor_format(positions[i], text);
		assert_int_equal(sse_cursor_parse(text, &back), 0);
		assert_true(back == positions[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(sse_cursor_parse(bad[i], &back), -EINVAL);
}

static bool frame_has(const struct frame *frame, const char *text)
{
	return memmem(frame->bytes, frame->length, text, strlen(text)) != NULL;
}

static void a_publication_is_one_line_of_an_event_whatever_it_says(void **state)
{
	AUTO(publication)
	publication = publication_new("general", "\"a\\nevent: forged\\n\\ndata: x\"",
				      "peer\r\nid: 1", NULL);
	const struct frame *frame;
	size_t lines = 0;

	(void)state;
	publication->position = 7;
	publication->offset = 3;
	frame = publication_frame_get(publication, FORM_SSE);
	assert_non_null(frame);
	assert_true(frame_has(frame, "event: message\n"));
	assert_false(frame_has(frame, "\nevent: forged"));
	assert_false(frame_has(frame, "\r"));
	for (size_t i = 0; i < frame->length; i++)
		lines += frame->bytes[i] == '\n';
	assert_int_equal(lines, 4); /* id, event, data, and the empty one */
}

static void each_form_is_encoded_once(void **state)
{
	AUTO(publication) publication = publication_new("general", "{\"a\":1}", NULL, NULL);

	(void)state;
	assert_ptr_equal(publication_frame_get(publication, FORM_WEBSOCKET),
			 publication_frame_get(publication, FORM_WEBSOCKET));
}

static int parse_code(const char *text, struct error *error)
{
	struct envelope envelope = {0};
	int r = envelope_parse(text, strlen(text), &envelope, error);

	envelope_fini(&envelope);
	return r;
}

static void an_envelope_that_is_wrong_says_how(void **state)
{
	static const struct {
		const char *text, *code, *field;
	} cases[] = {{"", "bad_json", ""},
		     {"[]", "bad_json", ""},
		     {"{\"type\":\"ping\",\"type\":\"ping\"}", "bad_json", ""},
		     {"{}", "missing_field", "type"},
		     {"{\"type\":3}", "bad_field", "type"},
		     {"{\"type\":\"nope\"}", "unknown_type", "type"},
		     {"{\"type\":\"ping\",\"id\":{}}", "bad_field", "id"}};
	struct error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		error = (struct error){0};
		assert_int_equal(parse_code(cases[i].text, &error), -EINVAL);
		assert_string_equal(error.code, cases[i].code);
		assert_string_equal(error.field, cases[i].field);
	}
	assert_int_equal(parse_code("{\"type\":\"ping\",\"id\":7,\"unknown\":[]}", &error), 0);
}

static void aliases_of_message_mean_the_same(void **state)
{
	static const char *const types[] = {"message", "channel_message", "send"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct envelope envelope = {0};
		struct envelope_message message;
		char text[128];

		(void)snprintf(text, sizeof(text),
			       "{\"type\":\"%s\",\"channel\":\"c\",\"data\":1,\"persistent\":true}",
			       types[i]);
		assert_int_equal(envelope_parse(text, strlen(text), &envelope, NULL), 0);
		assert_int_equal(envelope.type, ENVELOPE_MESSAGE);
		assert_int_equal(envelope_message_get(&envelope, &message, NULL), 0);
		assert_true(message.options.is_persistent);
		envelope_fini(&envelope);
	}
}

static void the_seeds_signals_need_no_type(void **state)
{
	static const char text[] = "{\"signal_type\":\"offer\",\"target_peer_id\":\"peer_456\","
				   "\"room_id\":\"meeting_123\",\"sdp\":\"v=0\"}";
	struct signal signal = {0};
	struct error error = {0};

	(void)state;
	assert_true(signal_parse(text, sizeof(text) - 1, &signal, &error) >= 0);
	assert_int_equal(signal.kind, SIGNAL_SIGNAL);
	assert_string_equal(signal.target_peer_id, "peer_456");
	signal_fini(&signal);
	assert_int_equal(signal_parse("{\"signal_type\":\"huh\"}", 21, &signal, &error), -EINVAL);
	assert_string_equal(error.field, "signal_type");
	signal_fini(&signal);
}

static void deflated_messages_stand_alone(void **state)
{
	struct inflater *inflater = inflater_new();
	char text[400], *bytes = NULL;
	size_t length = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 7);
	for (int i = 0; i < 3; i++) {
		struct frame *frame = frame_new_text_deflated(text, sizeof(text));

		assert_int_equal(frame->bytes[0], 0xC1);
		assert_true(frame->length < 100);
		assert_int_equal(inflater_message(inflater, frame->bytes + 2, frame->length - 2,
						  sizeof(text), &bytes, &length),
				 0);
		assert_int_equal(length, sizeof(text));
		assert_memory_equal(bytes, text, length);
		free(bytes);
		assert_int_equal(inflater_message(inflater, frame->bytes + 2, frame->length - 2,
						  sizeof(text) - 1, &bytes, &length),
				 -EMSGSIZE);
		(void)inflater_free(inflater);
		inflater = inflater_new();
		(void)frame_unref(frame);
	}
	(void)inflater_free(inflater);
}

static void what_does_not_shrink_is_not_deflated(void **state)
{
	struct frame *frame = frame_new_text_deflated("short", 5);

	(void)state;
	assert_int_equal(frame->bytes[0], 0x81);
	(void)frame_unref(frame);
}

static void only_bytes_have_a_native_form(void **state)
{
	AUTO(publication) text = publication_new("c", "{\"a\":1}", NULL, NULL);
	AUTO(publication) binary = publication_new("c", "null", "ann", NULL);
	AUTO(publication) filed = publication_new("c", "null", "ann", NULL);
	struct native_header header;
	struct slice meta, payload;
	struct frame *frame;

	(void)state;
	assert_ptr_equal(publication_frame_get(text, FORM_NATIVE),
			 publication_frame_get(text, FORM_WEBSOCKET));
	assert_int_equal(publication_attach_take(binary, "image/png", "a\"b.png",
						 (uint8_t *)strdup("xyz"), 3),
			 0);
	binary->offset = 9;
	frame = publication_frame_get(binary, FORM_NATIVE);
	assert_int_equal(frame->bytes[0], 0x82);
	assert_ptr_equal(frame, publication_frame_get(binary, FORM_NATIVE_DEFLATED));
	assert_int_equal(native_frame_decode(frame->bytes + 4, frame->length - 4, &header, &meta,
					     &payload, NULL),
			 0);
	assert_int_equal(header.number, 9);
	assert_int_equal(payload.length, 3);
	assert_memory_equal(payload.data, "xyz", 3);
	assert_int_equal(publication_attach_file(filed, "image/png", NULL, "file_1", "ab", 7), 0);
	assert_ptr_equal(publication_frame_get(filed, FORM_NATIVE),
			 publication_frame_get(filed, FORM_WEBSOCKET));
	frame = publication_frame_get(filed, FORM_WEBSOCKET);
	assert_non_null(memmem(frame->bytes, frame->length, "/realtime/files/file_1\"", 23));
}

static void bytes_whose_description_is_too_long_go_as_json(void **state)
{
	AUTO(publication) binary = publication_new("c", "null", "ann", NULL);
	struct native_header header;
	struct slice meta, payload;
	struct frame *frame;

	(void)state;
	assert_int_equal(
		publication_attach_take(binary, "image/png", NULL, (uint8_t *)strdup("xyz"), 3), 0);
	binary->tags = malloc(NATIVE_META_MAX);
	assert_non_null(binary->tags);
	(void)snprintf(binary->tags, NATIVE_META_MAX, "{\"a\":\"%0*d\"}", NATIVE_META_MAX - 50, 0);
	frame = publication_frame_get(binary, FORM_NATIVE);
	assert_int_equal(frame->bytes[0], 0x81);
	assert_non_null(memmem(frame->bytes, frame->length, "\"binary_data\":\"eHl6\"", 20));

	binary->frames[FORM_NATIVE] = frame_unref(frame);
	binary->tags[NATIVE_META_MAX / 2] = '\0'; /* no JSON, but shorter */
	frame = publication_frame_get(binary, FORM_NATIVE);
	assert_int_equal(frame->bytes[0], 0x82);
	assert_int_equal(native_frame_decode(frame->bytes + 4, frame->length - 4, &header, &meta,
					     &payload, NULL),
			 0);
}

/* What becomes of a handshake's head; NULL: it is refused. */
static char *rewritten(const char *head)
{
	char *text = NULL;
	size_t length;

	assert_true(request_head_needs_rewriting(head, strlen(head)));
	if (request_head_rewrite(head, strlen(head), &text, &length) < 0)
		return NULL;
	text = realloc(text, length + 1);
	text[length] = '\0';
	return text;
}

static void secrets_leave_the_list_of_subprotocols(void **state)
{
	static const char head[] =
		"GET /x HTTP/1.1\r\n"
		"X-Realtime-Password: forged\r\n"
		"Sec-WebSocket-Protocol: password.YQ, realtime.v1, invite.inv_1, "
		"other, bearer.t\r\n"
		"X-Realtime-Invite: forged\r\n\r\n";
	static const char *const refused[] = {
		"GET /x HTTP/1.1\r\nSec-WebSocket-Protocol: password.a, password.b\r\n\r\n",
		"GET /x HTTP/1.1\r\nSec-WebSocket-Protocol: invite.a b, x\r\n\r\n",
	};
	AUTO_FREE char *text = rewritten(head);

	(void)state;
	assert_string_equal(text, "GET /x HTTP/1.1\r\n"
				  "Sec-WebSocket-Protocol: realtime.v1\r\n"
				  "x-realtime-bearer: t\r\n"
				  "x-realtime-password: YQ\r\n"
				  "x-realtime-invite: inv_1\r\n\r\n");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		assert_null(rewritten(refused[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_headers_grow_with_their_payload),
		cmocka_unit_test(a_close_frame_has_code_and_reason),
		cmocka_unit_test(cursors_come_back_as_they_went),
		cmocka_unit_test(a_publication_is_one_line_of_an_event_whatever_it_says),
		cmocka_unit_test(each_form_is_encoded_once),
		cmocka_unit_test(an_envelope_that_is_wrong_says_how),
		cmocka_unit_test(aliases_of_message_mean_the_same),
		cmocka_unit_test(the_seeds_signals_need_no_type),
		cmocka_unit_test(deflated_messages_stand_alone),
		cmocka_unit_test(what_does_not_shrink_is_not_deflated),
		cmocka_unit_test(only_bytes_have_a_native_form),
		cmocka_unit_test(bytes_whose_description_is_too_long_go_as_json),
		cmocka_unit_test(secrets_leave_the_list_of_subprotocols),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
