/* test_announced.c - the addresses that the SFU is told to announce, and calls over IPv6. */
#include "tests/integration/relay/pair.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sfu/wire/rtcp.h"

#define ANNOUNCED "127.0.0.1, 203.0.113.7, ::1, 2001:db8::7"

static int start_announcing(void **state)
{
	(void)setenv("WEBRTC_ANNOUNCED_IPS", ANNOUNCED, 1);
	return pair_start_sfu(state);
}

static bool has_ipv6(void)
{
	const struct sockaddr_in6 own = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is_bound = fd >= 0 && bind(fd, (const struct sockaddr *)&own, sizeof(own)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return is_bound;
}

/* The SFU may be behind a NAT that maps one address to one: what it says need not be its own. */
static void all_of_them_are_announced_and_no_other(void **state)
{
	static const char *const expected[] = {"127.0.0.1", "203.0.113.7", "::1", "2001:db8::7"};
	struct pair *pair = *state;
	struct load_peer peer;
	AUTO_FREE char *answer = pair_admit(pair, &peer, "asks", "whip", 0);
	size_t udp = 0, tcp = 0;

	for (const char *at = strstr(answer, "a=candidate:"); at;
	     at = strstr(at + 1, "a=candidate:")) {
		char protocol[8], address[64];
		unsigned port;
		size_t *count;

		assert_int_equal(sscanf(at, "a=candidate:%*s 1 %7s %*u %63s %u typ host", protocol,
					address, &port),
				 3);
		count = strcasecmp(protocol, "udp") == 0 ? &udp : &tcp;
		assert_true(*count < ARRAY_LEN(expected));
		assert_string_equal(address, expected[(*count)++]);
		assert_int_equal(port, pair->hub.media_port);
	}
	assert_int_equal(udp, ARRAY_LEN(expected));
	assert_int_equal(tcp, ARRAY_LEN(expected));
	fake_hub_close_room(&pair->hub, "relay");
	load_peer_fini(&peer);
}

static void join(struct pair *pair, struct load_peer *peer, bool over_ipv6, const char *peer_id,
		 const char *kind, size_t sections)
{
	AUTO_FREE char *offer = NULL;

	assert_int_equal(load_peer_init(peer, pair->identity), 0);
	peer->over_ipv6 = over_ipv6;
	offer = load_peer_offer(peer, sections);
	pair_join_with(pair, peer, peer_id, kind, offer);
}

static void assert_flows_both_ways(struct pair *pair)
{
	uint16_t first = pair_start_flow(pair), wanted = first;
	struct rtp_header header;
	uint8_t packet[2048];
	struct writer writer = writer_over(packet, sizeof(packet));

	for (uint16_t i = 1; i <= 20; i++) {
		load_peer_publish(&pair->publisher, PACKET_BYTES, true);
		assert_true(next_media(&pair->viewer, packet, &header));
		assert_int_equal(header.sequence_number, (uint16_t)(first + i));
	}
	rtcp_write_nack(&writer, 1, pair->viewer.receive_ssrc, &wanted, 1);
	load_peer_send_rtcp(&pair->viewer, packet, writer.offset, sizeof(packet));
	assert_true(next_media(&pair->viewer, packet, &header));
	assert_int_equal(header.payload_type, LOAD_RTX);
}

/* Checks, DTLS, media, and what is asked for again. */
static void a_call_may_be_over_ipv6_in_part_or_whole(void **state)
{
	struct pair *pair = *state;

	if (!has_ipv6())
		skip();
	for (int i = 1; i <= 3; i++) {
		join(pair, &pair->publisher, i & 1, "publisher", "whip", 0);
		join(pair, &pair->viewer, i & 2, "viewer", "whep", 1);
		assert_flows_both_ways(pair);
		assert_int_equal(pair_tear_down(state), 0);
	}
}

/* ---- */

/* What the program says when it is started with that, which must end it. */
static void start_in_vain(const char *announced, char *text, size_t size)
{
	char command[512];
	size_t length;
	FILE *output;

	(void)snprintf(command, sizeof(command),
		       "REALTIME_CONFIG=/dev/null WEBRTC_ANNOUNCED_IPS='%s' timeout 30 '%s' 2>&1",
		       announced, getenv("REALTIME_SFU"));
	output = popen(command, "r");
	assert_non_null(output);
	length = fread(text, 1, size - 1, output);
	text[length] = '\0';
	assert_int_equal(pclose(output), 1 << 8); /* exit status 1 */
}

static void a_bad_one_ends_the_start_with_a_word_about_it(void **state)
{
	char text[4096];

	(void)state;
	start_in_vain("127.0.0.1, media.example.org", text, sizeof(text));
	assert_non_null(strstr(text, "WEBRTC_ANNOUNCED_IPS has \"media.example.org\""));
	start_in_vain("0.0.0.0", text, sizeof(text));
	assert_non_null(strstr(text, "WEBRTC_ANNOUNCED_IPS has \"0.0.0.0\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_them_are_announced_and_no_other),
		cmocka_unit_test(a_call_may_be_over_ipv6_in_part_or_whole),
		cmocka_unit_test(a_bad_one_ends_the_start_with_a_word_about_it),
	};

	return cmocka_run_group_tests(tests, start_announcing, pair_stop_sfu);
}
