#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/bus_client.h"
#include "core/json.h"
#include "tests/unit/cmocka_all.h"

static void frames_survive_any_cut_of_the_stream(void **state)
{
	AUTO_JSON body = json_pack("{s:s}", "channel", "general");
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;

	(void)state;
	assert_int_equal(
		bus_frame_encode(BUS_REQUEST, BUS_PUBLISH, 7, body, "xyz", 3, &bytes, &length), 0);
	for (size_t cut = 0; cut <= length; cut++) {
		struct bus_decoder decoder = {0};
		struct bus_frame frame;

		assert_int_equal(bus_decoder_feed(&decoder, bytes, cut), 0);
		if (cut < length)
			assert_int_equal(bus_decoder_next(&decoder, &frame), 0);
		assert_int_equal(bus_decoder_feed(&decoder, bytes + cut, length - cut), 0);
		assert_int_equal(bus_decoder_next(&decoder, &frame), 1);
		assert_int_equal(frame.message, BUS_PUBLISH);
		assert_int_equal(frame.request_id, 7);
		assert_memory_equal(frame.payload, "xyz", 3);
		assert_true(json_equal(frame.body, body));
		bus_frame_fini(&frame);
		assert_int_equal(bus_decoder_next(&decoder, &frame), 0);
		bus_decoder_fini(&decoder);
	}
}

static void a_foreign_version_is_refused(void **state)
{
	static const uint8_t bytes[] = {0, 0, 0, 14, 2, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, '{', '}'};
	struct bus_decoder decoder = {0};
	struct bus_frame frame;

	(void)state;
	assert_int_equal(bus_decoder_feed(&decoder, bytes, sizeof(bytes)), 0);
	assert_int_equal(bus_decoder_next(&decoder, &frame), -EBADMSG);
	bus_decoder_fini(&decoder);
}

/* ---- a far end that speaks just enough ---- */

struct far_end {
	char path[108];
	int listener;
	pthread_t thread;
};

static void answer(int fd, const struct bus_frame *frame)
{
	AUTO_JSON body = json_pack("{s:O}", "echo", frame->body);
	struct error refusal = {0};
	AUTO_FREE uint8_t *bytes = NULL;
	size_t length;
	bool refuse = frame->message == BUS_SIGNAL;

	(void)error_set_field(&refusal, -ENOENT, "unknown_peer", "target_peer_id", "no such peer");
	if (frame->message == BUS_CONNECTIONS)
		return; /* never answered */
	if (refuse) {
		json_decref(body);
		body = bus_error_to_json(&refusal);
	}
	assert_int_equal(bus_frame_encode(refuse ? BUS_ERROR : BUS_RESPONSE, frame->message,
					  frame->request_id, body, NULL, 0, &bytes, &length),
			 0);
	assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
}

/* Serves connections one after the other; ROOM_DELETED makes it hang up. */
static void *serve(void *data)
{
	struct far_end *far = data;
	int fd;

	while ((fd = accept(far->listener, NULL, NULL)) >= 0) {
		struct bus_decoder decoder = {0};
		bool hang_up = false;
		uint8_t bytes[4096];
		ssize_t got;

		while (!hang_up && (got = recv(fd, bytes, sizeof(bytes), 0)) > 0) {
			struct bus_frame frame;

			assert_int_equal(bus_decoder_feed(&decoder, bytes, (size_t)got), 0);
			while (bus_decoder_next(&decoder, &frame) > 0) {
				if (frame.message == BUS_ROOM_DELETED)
					hang_up = true;
				else
					answer(fd, &frame);
				bus_frame_fini(&frame);
			}
		}
		bus_decoder_fini(&decoder);
		(void)close(fd);
	}
	return NULL;
}

static int far_end_start(void **state)
{
	static struct far_end far;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(far.path, sizeof(far.path), "/tmp/test_bus_%d.sock", getpid());
	(void)unlink(far.path);
	memcpy(address.sun_path, far.path, strlen(far.path) + 1);
	far.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(far.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(far.listener, 4), 0);
	assert_int_equal(pthread_create(&far.thread, NULL, serve, &far), 0);
	*state = &far;
	return 0;
}

static int far_end_stop(void **state)
{
	struct far_end *far = *state;

	(void)shutdown(far->listener, SHUT_RDWR);
	(void)close(far->listener);
	assert_int_equal(pthread_join(far->thread, NULL), 0);
	(void)unlink(far->path);
	return 0;
}

static void wait_until_connected(struct bus_client *client)
{
	for (int i = 0; i < 500 && !bus_client_is_connected(client); i++)
		(void)usleep(10000);
	assert_true(bus_client_is_connected(client));
}

static const struct bus_client_events no_events;

static void calls_are_answered_refused_or_time_out(void **state)
{
	struct far_end *far = *state;
	AUTO(bus_client) client = NULL;
	AUTO_JSON answer_body = NULL;
	struct error error = {0};

	assert_int_equal(bus_client_new(far->path, "api", &no_events, NULL, &client), 0);
	wait_until_connected(client);
	assert_int_equal(bus_client_call(client, BUS_PUBLISH, json_pack("{s:i}", "a", 1), 2000,
					 &answer_body, &error),
			 0);
	assert_non_null(json_object_get(json_object_get(answer_body, "echo"), "a"));
	assert_int_equal(bus_client_call(client, BUS_SIGNAL, json_object(), 2000, NULL, &error),
			 -ENOENT);
	assert_string_equal(error.code, "unknown_peer");
	assert_string_equal(error.field, "target_peer_id");
	assert_int_equal(bus_client_call(client, BUS_CONNECTIONS, json_object(), 50, NULL, &error),
			 -ETIMEDOUT);
}

static void a_lost_connection_fails_calls_and_comes_back(void **state)
{
	struct far_end *far = *state;
	AUTO(bus_client) client = NULL;
	struct error error = {0};

	assert_int_equal(bus_client_new(far->path, "sfu", &no_events, NULL, &client), 0);
	wait_until_connected(client);
	assert_int_equal(
		bus_client_call(client, BUS_ROOM_DELETED, json_object(), 2000, NULL, &error),
		-ENOTCONN);
	wait_until_connected(client);
	assert_int_equal(bus_client_call(client, BUS_PUBLISH, json_object(), 2000, NULL, &error),
			 0);
}

static void nobody_there_is_said_at_once(void **state)
{
	AUTO(bus_client) client = NULL;
	struct error error = {0};

	(void)state;
	assert_int_equal(bus_client_new("/tmp/no-such-bus.sock", "api", &no_events, NULL, &client),
			 0);
	assert_int_equal(bus_client_call(client, BUS_PUBLISH, json_object(), 2000, NULL, &error),
			 -ENOTCONN);
	assert_string_equal(error.code, "bus_unavailable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_survive_any_cut_of_the_stream),
		cmocka_unit_test(a_foreign_version_is_refused),
		cmocka_unit_test_setup_teardown(calls_are_answered_refused_or_time_out,
						far_end_start, far_end_stop),
		cmocka_unit_test_setup_teardown(a_lost_connection_fails_calls_and_comes_back,
						far_end_start, far_end_stop),
		cmocka_unit_test(nobody_there_is_said_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
