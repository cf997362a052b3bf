/* pair.h - a publisher and a viewer in the room "relay" of a realtime-sfu, for tests of what it
 * does with packets.
 *
 * The SFU (the program that REALTIME_SFU names) and the fake hub that it obeys serve a group of
 * tests; the two peers are each test's own, made and connected before it. `*state` is the pair.
 * Thread: one.
 */
#ifndef TESTS_INTEGRATION_RELAY_PAIR_H
#define TESTS_INTEGRATION_RELAY_PAIR_H

#include "tests/unit/cmocka_all.h"

#include "core/json.h"
#include "sfu/wire/rtp.h"
#include "tests/bench/fake_hub.h"
#include "tests/bench/load_peer.h"

enum { PACKET_BYTES = 400, PATIENCE_MS = 2000 };

struct pair {
	struct load_peer publisher, viewer; /* the test's */
	struct fake_hub hub;		    /* the group's, and so is */
	struct dtls_identity *identity;
	bool with_svc; /* the SFU chooses among the layers in a stream */
	uint8_t video; /* what films are of (film.h): LOAD_VP8 unless the test says another */
};

/* A group: the SFU has one worker; or two, and room for one peer of the room on each, so that the
 * publisher is on one and the viewer on the other; or one that is too busy at 1 % of a core; or two
 * that are at 3 %; or one or two that choose among the layers inside a stream. */
#define RUN_ON_ONE_WORKER(tests) cmocka_run_group_tests(tests, pair_start_sfu, pair_stop_sfu)
#define RUN_ON_TWO_WORKERS(tests)                                                                  \
	cmocka_run_group_tests(tests, pair_start_two_workers, pair_stop_sfu)
#define RUN_ON_A_BUSY_WORKER(tests)                                                                \
	cmocka_run_group_tests(tests, pair_start_busy_worker, pair_stop_sfu)
#define RUN_ON_TWO_BUSY_WORKERS(tests)                                                             \
	cmocka_run_group_tests(tests, pair_start_two_busy_workers, pair_stop_sfu)
#define RUN_WITH_SVC(tests) cmocka_run_group_tests(tests, pair_start_svc, pair_stop_sfu)
#define RUN_WITH_SVC_ON_TWO_WORKERS(tests)                                                         \
	cmocka_run_group_tests(tests, pair_start_svc_on_two_workers, pair_stop_sfu)
int pair_start_sfu(void **state);
int pair_start_two_workers(void **state);
int pair_start_busy_worker(void **state);
int pair_start_two_busy_workers(void **state);
int pair_start_svc(void **state);
int pair_start_svc_on_two_workers(void **state);
int pair_stop_sfu(void **state);

#define PAIR_TEST(function) cmocka_unit_test_setup_teardown(function, pair_set_up, pair_tear_down)
int pair_set_up(void **state);
int pair_tear_down(void **state);

/* ---- who else is in the room ---- */

/* Let another in and connect it; the caller ends it with load_peer_fini(). It publishes, or watches
 * so many `sections`. */
void pair_join(struct pair *pair, struct load_peer *peer, const char *peer_id, const char *kind,
	       size_t sections);
/* The same for a peer that is initialised, with its own `offer`. */
void pair_join_with(struct pair *pair, struct load_peer *peer, const char *peer_id,
		    const char *kind, const char *offer);
/* The same without a connection. The answer is malloc()ed. */
char *pair_admit(struct pair *pair, struct load_peer *peer, const char *peer_id, const char *kind,
		 size_t sections);

/* ---- media ---- */

/* Publish until the viewer, once it is linked, gets the first, whose number this is; then
 * everything flows. */
uint16_t pair_start_flow(struct pair *pair);
/* Does a packet that is published now reach the viewer? */
bool pair_flows(struct pair *pair);
/* The viewer's next media packet (RTCP is passed over). False: none came. */
bool next_media(struct load_peer *viewer, uint8_t packet[2048], struct rtp_header *header);
/* The same as it came, under SRTP. Returns its length, or 0. */
size_t next_sealed(const struct load_peer *viewer, uint8_t packet[2048]);
/* Ask by NACK for the packet that came so. */
void ask_again_for_sealed(struct load_peer *viewer, const uint8_t *sealed);

/* A packet of sound, with its level in -dBov (RFC 6464). */
struct spoken {
	uint8_t payload_type;
	uint16_t sequence_number;
	uint32_t ssrc;
	uint8_t level_id, level; /* the extension's number, and what it says */
	uint8_t first_byte;	 /* of the payload */
};
void pair_speak(struct load_peer *speaker, const struct spoken *spoken);

/* ---- the SFU ---- */

/* What is sent from now on waits in its socket, and comes in one batch when it goes on. */
void pair_halt_sfu(struct pair *pair);
void pair_resume_sfu(struct pair *pair);
/* A number of its status: that of all workers together, or how many peers one of them has. */
json_int_t pair_counter(struct pair *pair, const char *name);
/* One of a group of them, such as "media". */
json_int_t pair_counter_of(struct pair *pair, const char *group, const char *name);
json_int_t pair_peers_of_worker(struct pair *pair, size_t worker);
void pair_wait_until(struct pair *pair, const char *counter, json_int_t value);
/* Until the SFU has read `more` datagrams since it had `before`. */
void pair_wait_for_packets(struct pair *pair, json_int_t before, json_int_t more);

#endif
