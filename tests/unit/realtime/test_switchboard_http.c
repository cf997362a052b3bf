/* test_switchboard_http.c - peers that came over HTTP: WHIP and WHEP. */
#include "tests/unit/realtime/exchange.h"

#include <errno.h>
#include <stdio.h>

static void http_publishers_are_peers_and_http_viewers_are_not(void **state)
{
	struct exchange *exchange = *state;
	AUTO_JSON request = json_pack("{s:s, s:s}", "sdp", "v=0", "name", "Camera");
	AUTO_JSON answer = json_pack("{s:s}", "sdp", "v=1");
	AUTO_JSON occupancy = NULL;
	struct error error = {0};
	struct client ann;
	static const struct caller moderator = {.user_id = "", .is_moderator = true};
	struct peer *peer;
	char whip_id[PEER_ID_SIZE];

	assert_int_equal(switchboard_http_start(&exchange->board, &sfu_room, PEER_WHIP, request, 7,
						1, &error),
			 -ENOTCONN);
	sfu_says_hello(exchange, "[]");
	client_join(exchange, &ann, "Ann");
	assert_int_equal(switchboard_http_start(&exchange->board, &sfu_room, PEER_WHIP, request, 7,
						1, &error),
			 0);
	(void)snprintf(whip_id, sizeof(whip_id), "%s",
		       text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"));
	assert_int_equal(ann.outbox.count, 0);
	switchboard_on_sfu_answer(&exchange->board, whip_id, 7, answer, NULL);
	assert_string_equal(exchange->http_peer_id, whip_id);
	hears(&ann, "peer-joined", NULL, NULL);

	assert_int_equal(switchboard_http_start(&exchange->board, &sfu_room, PEER_WHEP, request, 8,
						1, &error),
			 0);
	switchboard_on_sfu_answer(&exchange->board,
				  text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"), 8, answer,
				  NULL);
	assert_int_equal(ann.outbox.count, 0);
	occupancy = switchboard_occupancy(&exchange->board, NULL);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(occupancy, "r"), "participants")),
		2);

	/* One that the SFU refuses was never there. */
	assert_int_equal(switchboard_http_start(&exchange->board, &sfu_room, PEER_WHIP, request, 9,
						1, &error),
			 0);
	(void)error_set(&error, -EINVAL, "bad_sdp", "no");
	switchboard_on_sfu_answer(&exchange->board,
				  text_of(told(exchange, BUS_PEER_JOIN, 0), "peer_id"), 9, NULL,
				  &error);
	assert_int_equal(exchange->http_result, -EINVAL);
	assert_int_equal(ann.outbox.count, 0);

	assert_int_equal(switchboard_http_find(&exchange->board, "other", whip_id, &moderator,
					       &peer, &error),
			 -ENOENT);
	assert_int_equal(switchboard_http_find(&exchange->board, "r", ann.peer_id, &moderator,
					       &peer, &error),
			 -ENOENT);
	assert_int_equal(
		switchboard_http_find(&exchange->board, "r", whip_id, &moderator, &peer, &error),
		0);
	switchboard_leave(&exchange->board, peer, "left", true);
	hears(&ann, "peer-left", "peer_id", whip_id);
	client_close(&ann);
}

static void a_peer_obeys_its_user_and_moderators(void **state)
{
	static const struct caller ann = {.user_id = "ann"}, bob = {.user_id = "bob"},
				   nobody = {.user_id = ""},
				   admin = {.user_id = "", .is_moderator = true};
	struct call_room *call = call_room_new("r");
	struct peer *whip = peer_new(call, PEER_WHIP, "p1"),
		    *whep = peer_new(call, PEER_WHEP, "p2");
	struct error error;

	(void)state;
	assert_int_equal(peer_check_caller(whip, &nobody, &error), -EACCES);
	assert_string_equal(error.code, "forbidden");
	assert_int_equal(peer_check_caller(whip, &ann, &error), -EACCES);
	assert_int_equal(peer_check_caller(whip, &admin, &error), 0);
	assert_int_equal(peer_check_caller(whep, &nobody, &error), 0);
	(void)snprintf(whip->user_id, sizeof(whip->user_id), "ann");
	(void)snprintf(whep->user_id, sizeof(whep->user_id), "ann");
	assert_int_equal(peer_check_caller(whip, &ann, &error), 0);
	assert_int_equal(peer_check_caller(whip, &bob, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &bob, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &nobody, &error), -EACCES);
	assert_int_equal(peer_check_caller(whep, &admin, &error), 0);
	(void)peer_free(whip);
	(void)peer_free(whep);
	(void)call_room_free(call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(a_peer_obeys_its_user_and_moderators),
		EXCHANGE_TEST(http_publishers_are_peers_and_http_viewers_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
