/* Two ends of DTLS-SRTP in one process, their datagrams in queues. */
#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "sfu/edge/dtls_link.h"
#include "tests/unit/cmocka_all.h"

enum { QUEUE_MAX = 32, SETTLED_BYTES_MAX = 1024, PATIENCE_MS = 20000 };

struct queue {
	size_t count, longest;
	size_t lengths[QUEUE_MAX];
	uint8_t datagrams[QUEUE_MAX][2048];
};

struct fixture {
	struct dtls_identity *server_identity, *client_identity;
	struct queue to_server, to_client;
	struct dtls_link *server, *client;
	struct error error;
};

static void enqueue(void *data, const uint8_t *datagram, size_t length)
{
	struct queue *queue = data;

	assert_in_range(length, 1, 2048);
	assert_true(queue->count < QUEUE_MAX);
	memcpy(queue->datagrams[queue->count], datagram, length);
	queue->lengths[queue->count++] = length;
	if (length > queue->longest)
		queue->longest = length;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_int_equal(dtls_identity_new(&fixture->server_identity, NULL), 0);
	assert_int_equal(dtls_identity_new(&fixture->client_identity, NULL), 0);
	assert_int_equal(dtls_link_new(fixture->server_identity, DTLS_SERVER, enqueue,
				       &fixture->to_client, 0, &fixture->server),
			 0);
	assert_int_equal(dtls_link_new(fixture->client_identity, DTLS_CLIENT, enqueue,
				       &fixture->to_server, 0, &fixture->client),
			 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	(void)dtls_link_free(fixture->client);
	(void)dtls_link_free(fixture->server);
	(void)dtls_identity_free(fixture->client_identity);
	(void)dtls_identity_free(fixture->server_identity);
	free(fixture);
	return 0;
}

/* Deliver until both are silent; returns the server's first failure. */
static int exchange(struct fixture *fixture, const uint8_t client_fingerprint[32])
{
	const uint8_t *server_fingerprint =
		dtls_identity_fingerprint_sha256(fixture->server_identity);
	int result = 0;

	assert_int_equal(dtls_link_tick(fixture->client, 1, NULL), 0);
	for (int round = 0; round < 20; round++) {
		struct queue up = fixture->to_server, down = fixture->to_client;

		fixture->to_server.count = fixture->to_client.count = 0;
		for (size_t i = 0; i < up.count; i++) {
			int r = dtls_link_receive(fixture->server, up.datagrams[i], up.lengths[i],
						  client_fingerprint, &fixture->error);

			result = result ? result : r;
		}
		for (size_t i = 0; i < down.count; i++)
			assert_int_equal(dtls_link_receive(fixture->client, down.datagrams[i],
							   down.lengths[i], server_fingerprint,
							   NULL),
					 0);
	}
	return result;
}

static void keys_of_both_ends_fit(void **state)
{
	struct fixture *fixture = *state;
	AUTO(media_crypto) server_in = NULL;
	AUTO(media_crypto) server_out = NULL;
	AUTO(media_crypto) client_in = NULL;
	AUTO(media_crypto) client_out = NULL;
	uint8_t packet[256] = {0x80, 96, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4};
	static const uint8_t payload[] = "speech";
	size_t length;
	int r;

	assert_int_equal(
		exchange(fixture, dtls_identity_fingerprint_sha256(fixture->client_identity)), 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
	assert_int_equal(dtls_link_state(fixture->client), DTLS_CONNECTED);
	assert_in_range(fixture->to_client.longest, 1, DTLS_DATAGRAM_MAX);
	assert_int_equal(dtls_link_media_crypto(fixture->server, &server_in, &server_out, NULL), 0);
	assert_int_equal(dtls_link_media_crypto(fixture->client, &client_in, &client_out, NULL), 0);
	r = media_crypto_protect_rtp(client_out, packet, sizeof(packet), 12, NULL, 0, payload,
				     sizeof(payload));
	assert_true(r > 0);
	length = (size_t)r;
	assert_int_equal(media_crypto_unprotect_rtp(server_in, packet, &length), 0);
	assert_memory_equal(packet + 12, payload, sizeof(payload));
}

static void another_certificate_is_refused(void **state)
{
	struct fixture *fixture = *state;
	uint8_t other[32] = {1, 2, 3};

	assert_int_equal(exchange(fixture, other), -EKEYREJECTED);
	assert_string_equal(fixture->error.code, "dtls_fingerprint");
	assert_int_equal(dtls_link_state(fixture->server), DTLS_FAILED);
}

static void goodbye_is_heard(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t *fingerprint = dtls_identity_fingerprint_sha256(fixture->client_identity);

	assert_int_equal(exchange(fixture, fingerprint), 0);
	dtls_link_close(fixture->client);
	assert_int_equal(fixture->to_server.count, 1);
	assert_int_equal(dtls_link_receive(fixture->server, fixture->to_server.datagrams[0],
					   fixture->to_server.lengths[0], fingerprint, NULL),
			 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CLOSED);
}

static void noise_does_not_end_a_connection(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t *fingerprint = dtls_identity_fingerprint_sha256(fixture->client_identity);
	uint8_t noise[64] = {23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 51};

	assert_int_equal(exchange(fixture, fingerprint), 0);
	assert_int_equal(
		dtls_link_receive(fixture->server, noise, sizeof(noise), fingerprint, NULL), 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
}

/* ---- once media has shown that both sides are finished ---- */

static void connect_and_settle(struct fixture *fixture)
{
	const uint8_t *fingerprint = dtls_identity_fingerprint_sha256(fixture->client_identity);

	assert_int_equal(exchange(fixture, fingerprint), 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
	dtls_link_settle(fixture->server);
	assert_int_equal(fixture->to_client.count, 0); /* its goodbye is not said yet */
}

static void serve(struct fixture *fixture, const struct queue *queue)
{
	for (size_t i = 0; i < queue->count; i++)
		assert_int_equal(dtls_link_receive(
					 fixture->server, queue->datagrams[i], queue->lengths[i],
					 dtls_identity_fingerprint_sha256(fixture->client_identity),
					 NULL),
				 0);
}

static void goodbye_is_heard_by_who_is_settled(void **state)
{
	struct fixture *fixture = *state;

	connect_and_settle(fixture);
	dtls_link_close(fixture->client);
	assert_int_equal(fixture->to_server.count, 1);
	serve(fixture, &fixture->to_server);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CLOSED);
}

static void goodbye_is_said_by_who_is_settled(void **state)
{
	struct fixture *fixture = *state;

	connect_and_settle(fixture);
	dtls_link_close(fixture->server);
	dtls_link_close(fixture->server);
	assert_int_equal(fixture->to_client.count, 1); /* once */
	assert_int_equal(
		dtls_link_receive(fixture->client, fixture->to_client.datagrams[0],
				  fixture->to_client.lengths[0],
				  dtls_identity_fingerprint_sha256(fixture->server_identity), NULL),
		0);
	assert_int_equal(dtls_link_state(fixture->client), DTLS_CLOSED);
}

/* One turn of the handshake; what the server says is lost if `is_lost`. */
static struct queue turn(struct fixture *fixture, bool is_lost)
{
	struct queue up = fixture->to_server, down;

	fixture->to_server.count = 0;
	serve(fixture, &up);
	down = fixture->to_client;
	fixture->to_client.count = 0;
	for (size_t i = 0; !is_lost && i < down.count; i++)
		assert_int_equal(dtls_link_receive(
					 fixture->client, down.datagrams[i], down.lengths[i],
					 dtls_identity_fingerprint_sha256(fixture->server_identity),
					 NULL),
				 0);
	return up;
}

static void wait_for_the_client_to_repeat_itself(struct fixture *fixture)
{
	for (int ms = 0; ms < PATIENCE_MS && fixture->to_server.count == 0; ms += 20) {
		(void)usleep(20000); /* OpenSSL's timer goes by the real clock */
		assert_int_equal(dtls_link_tick(fixture->client, 1, NULL), 0);
	}
	assert_true(fixture->to_server.count > 0);
}

static void the_last_flight_is_repeated_until_it_is_settled(void **state)
{
	struct fixture *fixture = *state;
	struct queue hello, last, repeated;

	assert_int_equal(dtls_link_tick(fixture->client, 1, NULL), 0);
	hello = turn(fixture, false);
	last = turn(fixture, true);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
	assert_int_equal(dtls_link_state(fixture->client), DTLS_HANDSHAKING);
	wait_for_the_client_to_repeat_itself(fixture);
	repeated = turn(fixture, false);
	assert_int_equal(dtls_link_state(fixture->client), DTLS_CONNECTED);

	/* Whatever of it comes again from now on, or a handshake from the beginning, is of who has
	 * no part in this, or late: it ends nothing, and nothing is said to it. */
	dtls_link_settle(fixture->server);
	serve(fixture, &hello);
	serve(fixture, &last);
	serve(fixture, &repeated);
	assert_int_equal(fixture->to_client.count, 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
	dtls_link_close(fixture->client);
	serve(fixture, &fixture->to_server);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CLOSED);
}

static void noise_does_not_end_what_is_settled(void **state)
{
	struct fixture *fixture = *state;
	struct queue noise = {.count = 4, .lengths = {15, 15, 39, 7}};
	static const uint8_t open_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0};
	static const uint8_t sealed_header[] = {21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 26};

	connect_and_settle(fixture);
	memcpy(noise.datagrams[0], open_alert, sizeof(open_alert));
	memcpy(noise.datagrams[1], open_alert, sizeof(open_alert));
	noise.datagrams[1][4] = 1; /* of the sealed epoch, and not sealed */
	memcpy(noise.datagrams[2], sealed_header, sizeof(sealed_header));
	memcpy(noise.datagrams[3], sealed_header, 7);
	serve(fixture, &noise);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
}

/* ---- what it costs ---- */

static size_t openssl_bytes;

static void *counting_malloc(size_t size, const char *file, int line)
{
	void *block = malloc(size);

	(void)file;
	(void)line;
	openssl_bytes += malloc_usable_size(block);
	return block;
}

static void *counting_realloc(void *block, size_t size, const char *file, int line)
{
	size_t before = malloc_usable_size(block);

	(void)file;
	(void)line;
	if (size == 0) {
		free(block);
		openssl_bytes -= before;
		return NULL;
	}
	block = realloc(block, size);
	if (block)
		openssl_bytes += malloc_usable_size(block) - before;
	return block;
}

static void counting_free(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	openssl_bytes -= malloc_usable_size(block);
	free(block);
}

/* All that OpenSSL holds for a server's end goes when it settles; what is ours is small. */
static void what_is_settled_costs_next_to_nothing(void **state)
{
	struct fixture *fixture = *state;
	size_t before;

	connect_and_settle(fixture);
	before = openssl_bytes;
	assert_in_range(malloc_usable_size(fixture->server), 1, SETTLED_BYTES_MAX);
	fixture->server = dtls_link_free(fixture->server);
	assert_int_equal(openssl_bytes, before);
}

/* Whoever can write the client's address may be first, with anything. */
static void a_forged_first_record_does_not_end_a_handshake(void **state)
{
	static const uint8_t fatal_alert[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40};
	static const uint8_t goodbye[] = {21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0};
	static const uint8_t change_cipher[] = {20, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1};
	static const uint8_t certificate[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 11,
					      0,  0,   3,   0, 0, 0, 0, 0, 0, 0, 3, 0, 0,  0};
	static const uint8_t bad_hello[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 1, 0,
					    0,	4,   0,	  0, 0, 0, 0, 0, 0, 4, 9, 9, 9,	 9};
	static const struct {
		const uint8_t *bytes;
		size_t length;
	} records[] = {{fatal_alert, sizeof(fatal_alert)},     {goodbye, sizeof(goodbye)},
		       {change_cipher, sizeof(change_cipher)}, {certificate, sizeof(certificate)},
		       {bad_hello, sizeof(bad_hello)},	       {bad_hello, sizeof(bad_hello)}};
	struct fixture *fixture = *state;
	const uint8_t *fingerprint = dtls_identity_fingerprint_sha256(fixture->client_identity);

	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		assert_int_equal(dtls_link_receive(fixture->server, records[i].bytes,
						   records[i].length, fingerprint, NULL),
				 0);
		assert_int_equal(dtls_link_state(fixture->server), DTLS_HANDSHAKING);
	}
	fixture->to_client.count = 0; /* what was answered to the forger */
	assert_int_equal(exchange(fixture, fingerprint), 0);
	assert_int_equal(dtls_link_state(fixture->server), DTLS_CONNECTED);
	assert_int_equal(dtls_link_state(fixture->client), DTLS_CONNECTED);
}

static void useless_hellos_end_at_some_time(void **state)
{
	static const uint8_t bad_hello[] = {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 1, 0,
					    0,	4,   0,	  0, 0, 0, 0, 0, 0, 4, 9, 9, 9,	 9};
	struct fixture *fixture = *state;
	const uint8_t *fingerprint = dtls_identity_fingerprint_sha256(fixture->client_identity);
	int r = 0;

	for (int i = 0; r == 0 && i < 1000; i++) {
		fixture->to_client.count = 0;
		r = dtls_link_receive(fixture->server, bad_hello, sizeof(bad_hello), fingerprint,
				      &fixture->error);
	}
	assert_int_equal(r, -EPROTO);
	assert_string_equal(fixture->error.code, "dtls_failed");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_of_both_ends_fit),
		TEST(another_certificate_is_refused),
		TEST(goodbye_is_heard),
		TEST(noise_does_not_end_a_connection),
		TEST(goodbye_is_heard_by_who_is_settled),
		TEST(goodbye_is_said_by_who_is_settled),
		TEST(the_last_flight_is_repeated_until_it_is_settled),
		TEST(noise_does_not_end_what_is_settled),
		TEST(what_is_settled_costs_next_to_nothing),
		TEST(a_forged_first_record_does_not_end_a_handshake),
		TEST(useless_hellos_end_at_some_time),
	};

	/* Before it has allocated anything. */
	assert_int_equal(CRYPTO_set_mem_functions(counting_malloc, counting_realloc, counting_free),
			 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
