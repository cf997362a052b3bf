/* Requests are made, and replies judged, by libnice's client side. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

#include "sfu/wire/stun.h"
#include "tests/unit/sfu/hex.h"

static const char ufrag[] = "w0Rk3r";
static const char password[] = "a-password-of-22-chars";
static const char username[] = "w0Rk3r:pEEr";

/* RFC 5769 section 2.1 */
static const char sample_request[] =
	"000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74"
	"002400046e0001ff 80290008932ff9b151263b36 0006000965 76746a3a68367659202020"
	"000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf";

static const uint16_t client_known[] = {
	STUN_ATTRIBUTE_MAPPED_ADDRESS,
	STUN_ATTRIBUTE_USERNAME,
	STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
	STUN_ATTRIBUTE_ERROR_CODE,
	STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
	STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS,
	0,
};

struct client {
	StunAgent agent;
	StunMessage request;
	uint8_t bytes[1024];
	size_t length;
};

static const struct sockaddr *ipv4_source(void)
{
	static struct sockaddr_in address = {.sin_family = AF_INET};

	address.sin_port = htons(50000);
	(void)inet_pton(AF_INET, "192.0.2.7", &address.sin_addr);
	return (const struct sockaddr *)&address;
}

static void client_init(struct client *client, bool with_fingerprint)
{
	StunAgentUsageFlags flags = STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS;

	if (with_fingerprint)
		flags |= STUN_AGENT_USAGE_USE_FINGERPRINT;
	memset(client, 0, sizeof(*client));
	stun_agent_init(&client->agent, client_known, STUN_COMPATIBILITY_RFC5389, flags);
}

static void client_check_as(struct client *client, const char *name, bool controlling, uint64_t tie)
{
	client_init(client, true);
	client->length = stun_usage_ice_conncheck_create(
		&client->agent, &client->request, client->bytes, sizeof(client->bytes),
		(const uint8_t *)name, strlen(name), (const uint8_t *)password, strlen(password),
		true, controlling, 0x6e7f1eff, tie, NULL, STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
	assert_true(client->length > 0);
}

static void client_check(struct client *client)
{
	client_check_as(client, username, true, 42);
}

static enum stun_verdict answer(const uint8_t *bytes, size_t length, struct stun_binding *binding)
{
	AUTO(stun_server) server = NULL;

	assert_int_equal(stun_server_new(&server), 0);
	return stun_binding_answer(server, bytes, length, ufrag, password, ipv4_source(),
				   sizeof(struct sockaddr_in), binding);
}

/* The reply as the client sees it: authentic or the test fails. */
static StunUsageIceReturn client_hears(struct client *client, const struct stun_binding *binding,
				       struct sockaddr_storage *ret_mapped)
{
	socklen_t mapped_bytes = sizeof(*ret_mapped);
	StunMessage reply;

	assert_int_equal(stun_agent_validate(&client->agent, &reply, binding->response,
					     binding->response_bytes, NULL, NULL),
			 STUN_VALIDATION_SUCCESS);
	assert_true(stun_message_has_attribute(&reply, STUN_ATTRIBUTE_MESSAGE_INTEGRITY));
	return stun_usage_ice_conncheck_process(&reply, ret_mapped, &mapped_bytes,
						STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
}

static void a_check_with_our_password_is_answered_with_the_senders_address(void **state)
{
	struct stun_binding binding;
	struct sockaddr_storage mapped;
	struct sockaddr_in ipv4;
	struct client client;

	(void)state;
	client_check(&client);
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_ACCEPTED);
	assert_int_equal(binding.priority, 0x6e7f1eff);
	assert_true(binding.use_candidate);
	assert_int_equal(client_hears(&client, &binding, &mapped), STUN_USAGE_ICE_RETURN_SUCCESS);
	memcpy(&ipv4, &mapped, sizeof(ipv4));
	assert_memory_equal(&ipv4, ipv4_source(), offsetof(struct sockaddr_in, sin_zero));
}

static void ipv6_senders_are_told_theirs_and_mapped_ones_their_ipv4(void **state)
{
	AUTO(stun_server) server = NULL;
	struct sockaddr_in6 source = {.sin6_family = AF_INET6, .sin6_port = htons(50000)};
	struct sockaddr_storage mapped;
	struct sockaddr_in6 ipv6;
	struct sockaddr_in ipv4;
	struct stun_binding binding;
	struct client client;

	(void)state;
	assert_int_equal(stun_server_new(&server), 0);
	client_check(&client);
	(void)inet_pton(AF_INET6, "2001:db8::7", &source.sin6_addr);
	assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag, password,
					     (const struct sockaddr *)&source, sizeof(source),
					     &binding),
			 STUN_ACCEPTED);
	assert_int_equal(client_hears(&client, &binding, &mapped), STUN_USAGE_ICE_RETURN_SUCCESS);
	memcpy(&ipv6, &mapped, sizeof(ipv6));
	assert_int_equal(ipv6.sin6_family, AF_INET6);
	assert_int_equal(ipv6.sin6_port, source.sin6_port);
	assert_memory_equal(&ipv6.sin6_addr, &source.sin6_addr, 16);

	client_check(&client);
	(void)inet_pton(AF_INET6, "::ffff:192.0.2.7", &source.sin6_addr);
	assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag, password,
					     (const struct sockaddr *)&source, sizeof(source),
					     &binding),
			 STUN_ACCEPTED);
	assert_int_equal(client_hears(&client, &binding, &mapped), STUN_USAGE_ICE_RETURN_SUCCESS);
	memcpy(&ipv4, &mapped, sizeof(ipv4));
	assert_memory_equal(&ipv4, ipv4_source(), offsetof(struct sockaddr_in, sin_zero));
}

static void an_address_that_is_no_address_is_not_answered(void **state)
{
	const struct sockaddr source = {.sa_family = AF_UNIX};
	AUTO(stun_server) server = NULL;
	struct stun_binding binding;
	struct client client;

	(void)state;
	assert_int_equal(stun_server_new(&server), 0);
	client_check(&client);
	assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag, password,
					     &source, sizeof(source), &binding),
			 STUN_DROPPED);
	assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag, password,
					     ipv4_source(), 4, &binding),
			 STUN_DROPPED);
}

static void our_ufrag_is_what_stands_before_the_colon(void **state)
{
	struct client client;
	struct slice found;

	(void)state;
	client_check(&client);
	found = stun_local_ufrag_peek(client.bytes, client.length);
	assert_int_equal(found.length, strlen(ufrag));
	assert_memory_equal(found.data, ufrag, found.length);

	client_check_as(&client, "no-colon", true, 1);
	assert_null(stun_local_ufrag_peek(client.bytes, client.length).data);
	client_check_as(&client, ":", true, 1);
	assert_non_null(stun_local_ufrag_peek(client.bytes, client.length).data);
	assert_int_equal(stun_local_ufrag_peek(client.bytes, client.length).length, 0);
	assert_null(stun_local_ufrag_peek(NULL, 0).data);
}

static void checks_for_somebody_else_are_dropped(void **state)
{
	static const char *const names[] = {"w0Rk3:pEEr", "w0Rk3rr:pEEr", "w0Rk3r", ":",
					    "pEEr:w0Rk3r"};
	struct stun_binding binding;
	struct client client;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		client_check_as(&client, names[i], true, 1);
		assert_int_equal(answer(client.bytes, client.length, &binding), STUN_DROPPED);
		assert_int_equal(binding.response_bytes, 0);
	}
}

static void a_wrong_or_empty_password_gets_no_answer(void **state)
{
	static const char *const passwords[] = {"a-password-of-22-chart", "a", ""};
	AUTO(stun_server) server = NULL;
	struct stun_binding binding;
	struct client client;

	(void)state;
	assert_int_equal(stun_server_new(&server), 0);
	client_check(&client);
	for (size_t i = 0; i < ARRAY_LEN(passwords); i++)
		assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag,
						     passwords[i], ipv4_source(),
						     sizeof(struct sockaddr_in), &binding),
				 STUN_DROPPED);
}

static void a_request_without_integrity_or_fingerprint_gets_no_answer(void **state)
{
	struct stun_binding binding;
	struct client client;

	(void)state;
	for (int with_fingerprint = 0; with_fingerprint < 2; with_fingerprint++) {
		client_init(&client, with_fingerprint);
		assert_true(stun_agent_init_request(&client.agent, &client.request, client.bytes,
						    sizeof(client.bytes), STUN_BINDING));
		assert_int_equal(stun_message_append_bytes(&client.request, STUN_ATTRIBUTE_USERNAME,
							   username, strlen(username)),
				 STUN_MESSAGE_RETURN_SUCCESS);
		/* Integrity without fingerprint, then fingerprint without integrity. */
		client.length = stun_agent_finish_message(
			&client.agent, &client.request,
			with_fingerprint ? NULL : (const uint8_t *)password, strlen(password));
		assert_true(client.length > 0);
		assert_int_equal(answer(client.bytes, client.length, &binding), STUN_DROPPED);
	}
}

static void every_flipped_bit_is_noticed(void **state)
{
	struct stun_binding binding;
	struct client client;

	(void)state;
	client_check(&client);
	for (size_t bit = 0; bit < client.length * 8; bit++) {
		client.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(answer(client.bytes, client.length, &binding), STUN_DROPPED);
		client.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_ACCEPTED);
}

static void every_cut_and_every_addition_is_noticed(void **state)
{
	struct stun_binding binding;
	struct client client;

	(void)state;
	client_check(&client);
	for (size_t length = 0; length < client.length; length++) {
		/* An exact-size copy lets AddressSanitizer see a read past it. */
		AUTO_FREE uint8_t *copy = malloc(length + 1);

		assert_non_null(copy);
		copy = realloc(copy, length ? length : 1);
		memcpy(copy, client.bytes, length);
		assert_int_equal(answer(copy, length, &binding), STUN_DROPPED);
	}
	for (size_t more = 1; more < 16; more++)
		assert_int_equal(answer(client.bytes, client.length + more, &binding),
				 STUN_DROPPED);
}

static void a_peer_claiming_our_role_is_told_of_the_conflict(void **state)
{
	static const uint64_t ties[] = {0, 1, UINT64_MAX - 1, UINT64_MAX};
	struct sockaddr_storage mapped;
	struct stun_binding binding;
	struct client client;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ties); i++) {
		client_check_as(&client, username, false, ties[i]);
		assert_int_equal(answer(client.bytes, client.length, &binding), STUN_REPLIED);
		assert_int_equal(client_hears(&client, &binding, &mapped),
				 STUN_USAGE_ICE_RETURN_ROLE_CONFLICT);
	}
}

/* A check with one attribute more before its MESSAGE-INTEGRITY. */
static void client_check_with(struct client *client, StunAttribute type, size_t count)
{
	client_init(client, true);
	assert_true(stun_agent_init_request(&client->agent, &client->request, client->bytes,
					    sizeof(client->bytes), STUN_BINDING));
	assert_int_equal(stun_message_append_bytes(&client->request, STUN_ATTRIBUTE_USERNAME,
						   username, strlen(username)),
			 STUN_MESSAGE_RETURN_SUCCESS);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(
			stun_message_append32(&client->request, type + (StunAttribute)i, 7),
			STUN_MESSAGE_RETURN_SUCCESS);
	client->length = stun_agent_finish_message(&client->agent, &client->request,
						   (const uint8_t *)password, strlen(password));
	assert_true(client->length > 0);
}

static void an_unknown_attribute_is_refused_if_it_must_be_understood(void **state)
{
	struct stun_binding binding;
	struct client client;
	StunMessage reply;
	int code;

	(void)state;
	client_check_with(&client, (StunAttribute)0x7abc, 3);
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_REPLIED);
	assert_int_equal(stun_agent_validate(&client.agent, &reply, binding.response,
					     binding.response_bytes, NULL, NULL),
			 STUN_VALIDATION_SUCCESS);
	assert_int_equal(stun_message_find_error(&reply, &code), STUN_MESSAGE_RETURN_SUCCESS);
	assert_int_equal(code, 420);

	/* As many as fit the datagram; the reply must fit too or not be there. */
	client_check_with(&client, (StunAttribute)0x7000, 110);
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_REPLIED);

	client_check_with(&client, (StunAttribute)0xc001, 1);
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_ACCEPTED);
	assert_false(binding.use_candidate);
	assert_int_equal(binding.priority, 0);
}

static void a_retransmitted_check_is_answered_again(void **state)
{
	AUTO(stun_server) server = NULL;
	struct stun_binding first, again;
	struct client client;

	(void)state;
	assert_int_equal(stun_server_new(&server), 0);
	client_check(&client);
	assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag, password,
					     ipv4_source(), sizeof(struct sockaddr_in), &first),
			 STUN_ACCEPTED);
	/* Far more often than the agent has places for transactions of its own. */
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(stun_binding_answer(server, client.bytes, client.length, ufrag,
						     password, ipv4_source(),
						     sizeof(struct sockaddr_in), &again),
				 STUN_ACCEPTED);
		assert_int_equal(again.response_bytes, first.response_bytes);
		assert_memory_equal(again.response, first.response, first.response_bytes);
	}
}

static void the_longest_username_is_answered(void **state)
{
	char name[513 + 1];
	struct stun_binding binding;
	struct client client;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	memcpy(name, "w0Rk3r:", 7);
	name[513] = '\0';
	client_check_as(&client, name, true, 1);
	assert_int_equal(answer(client.bytes, client.length, &binding), STUN_ACCEPTED);
}

/* The sample's sender claims to be controlled, so that the answer is 487; with another password
 * there is none. */
static void the_rfcs_sample_request_authenticates(void **state)
{
	AUTO(stun_server) server = NULL;
	struct stun_binding binding;
	uint8_t bytes[128];
	size_t length = from_hex(sample_request, bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(length, 108);
	assert_int_equal(stun_server_new(&server), 0);
	assert_int_equal(stun_binding_answer(server, bytes, length, "evtj",
					     "VOkJxbRl1RmTxUk/WvJxBt", ipv4_source(),
					     sizeof(struct sockaddr_in), &binding),
			 STUN_REPLIED);
	assert_int_equal(stun_binding_answer(server, bytes, length, "evtj",
					     "VOkJxbRl1RmTxUk/WvJxBu", ipv4_source(),
					     sizeof(struct sockaddr_in), &binding),
			 STUN_DROPPED);
}

static void other_messages_are_dropped(void **state)
{
	struct stun_binding binding;
	struct client client;

	(void)state;
	/* An indication, and a TURN Allocate, are never ours even if authentic. */
	for (int round = 0; round < 2; round++) {
		client_init(&client, true);
		if (round == 0)
			assert_true(stun_agent_init_indication(&client.agent, &client.request,
							       client.bytes, sizeof(client.bytes),
							       STUN_BINDING));
		else
			assert_true(stun_agent_init_request(&client.agent, &client.request,
							    client.bytes, sizeof(client.bytes),
							    STUN_ALLOCATE));
		assert_int_equal(stun_message_append_bytes(&client.request, STUN_ATTRIBUTE_USERNAME,
							   username, strlen(username)),
				 STUN_MESSAGE_RETURN_SUCCESS);
		client.length =
			stun_agent_finish_message(&client.agent, &client.request,
						  (const uint8_t *)password, strlen(password));
		assert_int_equal(answer(client.bytes, client.length, &binding), STUN_DROPPED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_check_with_our_password_is_answered_with_the_senders_address),
		cmocka_unit_test(ipv6_senders_are_told_theirs_and_mapped_ones_their_ipv4),
		cmocka_unit_test(an_address_that_is_no_address_is_not_answered),
		cmocka_unit_test(our_ufrag_is_what_stands_before_the_colon),
		cmocka_unit_test(checks_for_somebody_else_are_dropped),
		cmocka_unit_test(a_wrong_or_empty_password_gets_no_answer),
		cmocka_unit_test(a_request_without_integrity_or_fingerprint_gets_no_answer),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(every_cut_and_every_addition_is_noticed),
		cmocka_unit_test(a_peer_claiming_our_role_is_told_of_the_conflict),
		cmocka_unit_test(an_unknown_attribute_is_refused_if_it_must_be_understood),
		cmocka_unit_test(a_retransmitted_check_is_answered_again),
		cmocka_unit_test(the_longest_username_is_answered),
		cmocka_unit_test(the_rfcs_sample_request_authenticates),
		cmocka_unit_test(other_messages_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
