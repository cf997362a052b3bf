/* test_switchboard_identity.c - who a client is: another token, the same user elsewhere, an
 * invite. */
#include "tests/unit/realtime/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void a_new_token_of_the_same_user_goes_in_place_of_the_old(void **state)
{
	struct exchange *exchange = *state;
	AUTO(identity) ann = identity_new("ann", RIGHTS_USER);
	struct client client;

	client_open(exchange, &client, "Ann");
	signaling_session_start(&client.session, ann, exchange->now_us);
	remember_joined(&client);
	say(&client, "{\"type\":\"refresh\",\"token\":\"ann\",\"id\":7}");
	hears(&client, "ack", "user_id", "ann");
	say(&client, "{\"type\":\"refresh\",\"token\":\"bob\"}");
	hears(&client, "error", "code", "other_user");
	say(&client, "{\"type\":\"refresh\"}");
	hears(&client, "error", "code", "missing_field");
	assert_non_null(client.session.peer);
	client_close(&client);
}

static void a_new_token_must_allow_what_the_old_one_did(void **state)
{
	struct exchange *exchange = *state;
	AUTO(identity) ann = identity_new("ann", RIGHTS_USER);
	AUTO(identity) reader = identity_new("ann", RIGHTS_READER);
	struct client client;
	struct error error = {0};

	client_open(exchange, &client, "Ann");
	signaling_session_start(&client.session, ann, exchange->now_us);
	remember_joined(&client);
	assert_int_equal(signaling_session_check_identity(&client.session, reader, &error),
			 -EACCES);
	assert_string_equal(error.code, "forbidden");
	client_close(&client);
	client_open(exchange, &client, "Ann");
	signaling_session_start(&client.session, reader, exchange->now_us);
	remember_joined(&client);
	assert_int_equal(signaling_session_check_identity(&client.session, reader, &error), 0);
	client_close(&client);
}

/* The resume token may have got into other hands, and rights differ. */
static void only_the_same_user_takes_a_peer_over(void **state)
{
	struct exchange *exchange = *state;
	struct client ann, eve;
	AUTO(identity) eve_herself = identity_new("eve", RIGHTS_USER);

	client_join(exchange, &ann, "Ann");
	client_open(exchange, &eve, "Eve");
	signaling_session_set_resume(&eve.session, ann.peer_id, ann.token);
	signaling_session_start(&eve.session, eve_herself, exchange->now_us);
	hears(&eve, "error", "code", "forbidden");
	assert_non_null(ann.session.peer);
	client_close(&eve);
	client_close(&ann);
}

static void an_invite_lets_in_who_may_nothing(void **state)
{
	struct exchange *exchange = *state;
	AUTO(identity) nobody = identity_new("eve", RIGHTS_NONE);
	struct entry_pass *pass = calloc(1, sizeof(*pass));
	struct client eve;

	sfu_says_hello(exchange, "[]");
	client_open(exchange, &eve, "Eve");
	signaling_session_start(&eve.session, nobody, exchange->now_us);
	hears(&eve, "error", "code", "forbidden");
	client_close(&eve);
	client_open(exchange, &eve, "Eve");
	(void)strcpy(pass->invite, "inv_x");
	signaling_session_set_pass(&eve.session, pass);
	signaling_session_start(&eve.session, nobody, exchange->now_us); /* the door looks at it */
	remember_joined(&eve);
	assert_true(peer_of(exchange, &eve)->may_publish);
	assert_int_equal(signaling_session_check_identity(&eve.session, nobody, NULL), 0);
	client_close(&eve);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXCHANGE_TEST(only_the_same_user_takes_a_peer_over),
		EXCHANGE_TEST(a_new_token_of_the_same_user_goes_in_place_of_the_old),
		EXCHANGE_TEST(a_new_token_must_allow_what_the_old_one_did),
		EXCHANGE_TEST(an_invite_lets_in_who_may_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
