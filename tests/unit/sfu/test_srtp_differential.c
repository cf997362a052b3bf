/* media_crypto against libsrtp2: random packets, lost and reordered, across sequence wraps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <srtp2/srtp.h>

#include "sfu/wire/rtp.h"
#include "sfu/wire/srtp.h"
#include "tests/unit/sfu/random.h"

enum {
	PACKET_MAX = 1500,
	BURST = 64, /* packets shuffled among each other */
	STREAMS = 3
};

static const enum srtp_suite suites[] = {
	SRTP_SUITE_AES128_CM_SHA1_80,
	SRTP_SUITE_AEAD_AES_128_GCM,
	SRTP_SUITE_AEAD_AES_256_GCM,
};

struct sealed_packet {
	uint8_t plain[PACKET_MAX], sealed[PACKET_MAX];
	size_t plain_bytes, sealed_bytes;
};

/* Both libraries keyed alike, in both directions. */
struct pair {
	struct media_crypto *our_sender, *our_receiver;
	srtp_t their_sender, their_receiver;
	struct random *random;
	uint16_t next_sequence_number[STREAMS];
};

static srtp_t libsrtp_new(enum srtp_suite suite, uint8_t *key_and_salt, srtp_ssrc_type_t type)
{
	srtp_policy_t policy = {
		.ssrc = {.type = type},
		.key = key_and_salt,
		.window_size = SRTP_REPLAY_WINDOW,
	};
	srtp_t session = NULL;

	switch (suite) {
	case SRTP_SUITE_NONE:
		break;
	case SRTP_SUITE_AES128_CM_SHA1_80:
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtp);
		srtp_crypto_policy_set_aes_cm_128_hmac_sha1_80(&policy.rtcp);
		break;
	case SRTP_SUITE_AEAD_AES_128_GCM:
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_128_16_auth(&policy.rtcp);
		break;
	case SRTP_SUITE_AEAD_AES_256_GCM:
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtp);
		srtp_crypto_policy_set_aes_gcm_256_16_auth(&policy.rtcp);
		break;
	}
	assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
	return session;
}

static struct pair pair_new(enum srtp_suite suite, struct random *random)
{
	uint8_t key_and_salt[SRTP_KEY_MAX + SRTP_SALT_MAX];
	const uint8_t *salt = key_and_salt + srtp_suite_key_bytes(suite);
	struct pair pair = {.random = random};

	random_fill(random, key_and_salt, sizeof(key_and_salt));
	assert_int_equal(media_crypto_new(suite, key_and_salt, salt, &pair.our_sender), 0);
	assert_int_equal(media_crypto_new(suite, key_and_salt, salt, &pair.our_receiver), 0);
	pair.their_sender = libsrtp_new(suite, key_and_salt, ssrc_any_outbound);
	pair.their_receiver = libsrtp_new(suite, key_and_salt, ssrc_any_inbound);
	/* Below half, as every sender should begin: were the first packets lost across a wrap, the
	 * receiver could not know of it. */
	for (size_t i = 0; i < STREAMS; i++)
		pair.next_sequence_number[i] = (uint16_t)random_below(random, 0x8000);
	return pair;
}

static void pair_free(struct pair *pair)
{
	(void)media_crypto_free(pair->our_sender);
	(void)media_crypto_free(pair->our_receiver);
	assert_int_equal(srtp_dealloc(pair->their_sender), srtp_err_status_ok);
	assert_int_equal(srtp_dealloc(pair->their_receiver), srtp_err_status_ok);
}

/* A random packet with CSRCs, extensions and payload; returns the length of its header. */
static size_t random_rtp(struct pair *pair, struct sealed_packet *packet)
{
	size_t stream = random_below(pair->random, STREAMS);
	size_t csrc_count = random_below(pair->random, 4) ? 0 : random_below(pair->random, 16);
	size_t words = random_below(pair->random, 12);
	bool has_extension = random_below(pair->random, 2);
	size_t header_bytes =
		RTP_HEADER_BYTES + csrc_count * 4 + (has_extension ? 4 + words * 4 : 0);

	random_fill(pair->random, packet->plain, sizeof(packet->plain));
	rtp_header_encode(packet->plain, 96, random_below(pair->random, 2), has_extension, false,
			  pair->next_sequence_number[stream], (uint32_t)random_u64(pair->random),
			  0x1000 + (uint32_t)stream);
	packet->plain[0] |= (uint8_t)csrc_count;
	if (has_extension)
		memcpy(packet->plain + RTP_HEADER_BYTES + csrc_count * 4,
		       (const uint8_t[]){0xbe, 0xde, 0, (uint8_t)words}, 4);
	packet->plain_bytes = header_bytes + random_below(pair->random, 1200);
	pair->next_sequence_number[stream]++;
	/* Losses, now and then so long that the windows leap. */
	if (random_below(pair->random, 50) == 0)
		pair->next_sequence_number[stream] += (uint16_t)random_below(pair->random, 3000);
	return header_bytes;
}

static void seal_rtp(struct pair *pair, struct sealed_packet *packet)
{
	size_t header_bytes = random_rtp(pair, packet);
	const uint8_t *payload = packet->plain + header_bytes;
	size_t payload_bytes = packet->plain_bytes - header_bytes;
	size_t prefix_bytes = payload_bytes >= 2 && random_below(pair->random, 2) ? 2 : 0;
	uint8_t theirs[PACKET_MAX];
	int their_bytes = (int)packet->plain_bytes, r;

	memcpy(packet->sealed, packet->plain, header_bytes);
	r = media_crypto_protect_rtp(pair->our_sender, packet->sealed, sizeof(packet->sealed),
				     header_bytes, payload, prefix_bytes, payload + prefix_bytes,
				     payload_bytes - prefix_bytes);
	assert_true(r > 0);
	packet->sealed_bytes = (size_t)r;

	memcpy(theirs, packet->plain, packet->plain_bytes);
	assert_int_equal(srtp_protect(pair->their_sender, theirs, &their_bytes),
			 srtp_err_status_ok);
	assert_int_equal(their_bytes, packet->sealed_bytes);
	assert_memory_equal(theirs, packet->sealed, packet->sealed_bytes);
}

/* Both receivers must say the same of a packet: taken, or refused as a replay or too old. */
static bool open_rtp(struct pair *pair, const struct sealed_packet *packet)
{
	uint8_t ours[PACKET_MAX], theirs[PACKET_MAX];
	int their_bytes = (int)packet->sealed_bytes, r;
	size_t our_bytes = packet->sealed_bytes;
	srtp_err_status_t status;

	memcpy(ours, packet->sealed, packet->sealed_bytes);
	memcpy(theirs, packet->sealed, packet->sealed_bytes);
	r = media_crypto_unprotect_rtp(pair->our_receiver, ours, &our_bytes);
	status = srtp_unprotect(pair->their_receiver, theirs, &their_bytes);
	assert_int_equal(r == 0, status == srtp_err_status_ok);
	if (r < 0)
		return false;
	assert_int_equal(our_bytes, packet->plain_bytes);
	assert_int_equal(their_bytes, packet->plain_bytes);
	assert_memory_equal(ours, packet->plain, packet->plain_bytes);
	assert_memory_equal(theirs, packet->plain, packet->plain_bytes);
	return true;
}

static void shuffle(struct random *random, struct sealed_packet *packets[], size_t count)
{
	for (size_t i = count - 1; i > 0; i--) {
		size_t j = random_below(random, (uint32_t)i + 1);
		struct sealed_packet *swap = packets[i];

		packets[i] = packets[j];
		packets[j] = swap;
	}
}

static void rtp_is_byte_for_byte_what_libsrtp_makes_and_takes(void **state)
{
	static struct sealed_packet packets[BURST];
	struct random random = random_from_environment();

	(void)state;
	for (size_t suite = 0; suite < ARRAY_LEN(suites); suite++) {
		struct pair pair = pair_new(suites[suite], &random);
		struct sealed_packet *order[BURST];
		size_t taken = 0;

		/* Enough for each stream to wrap a few times, thanks to the leaps. */
		for (int burst = 0; burst < 250; burst++) {
			for (size_t i = 0; i < BURST; i++) {
				order[i] = &packets[i];
				seal_rtp(&pair, order[i]);
			}
			/* The very first packet must not be preceded by a leap it cannot see. */
			if (burst > 0)
				shuffle(&random, order, BURST);
			for (size_t i = 0; i < BURST; i++) {
				if (random_below(&random, 10) == 0)
					continue;
				taken += open_rtp(&pair, order[i]);
				if (random_below(&random, 10) == 0)
					assert_false(open_rtp(&pair, order[i]));
			}
		}
		assert_true(taken > 8000);
		pair_free(&pair);
	}
}

static void rtcp_is_understood_by_libsrtp_and_the_reverse(void **state)
{
	struct random random = random_from_environment();

	(void)state;
	for (size_t suite = 0; suite < ARRAY_LEN(suites); suite++) {
		struct pair pair = pair_new(suites[suite], &random);

		for (int round = 0; round < 3000; round++) {
			uint8_t plain[PACKET_MAX], ours[PACKET_MAX], theirs[PACKET_MAX];
			size_t length = 8 + random_below(&random, 300) * 4, opened;
			int r, their_bytes = (int)length;

			random_fill(&random, plain, length);
			plain[0] = 0x81;
			plain[1] = 201;
			memcpy(plain + 4, (const uint8_t[]){0, 0, 0, (uint8_t)(round % STREAMS)},
			       4);

			memcpy(ours, plain, length);
			memcpy(theirs, plain, length);
			r = media_crypto_protect_rtcp(pair.our_sender, ours, length, sizeof(ours));
			assert_true(r > 0);
			assert_int_equal(srtp_protect_rtcp(pair.their_sender, theirs, &their_bytes),
					 srtp_err_status_ok);
			assert_int_equal(r, their_bytes);
			if (random_below(&random, 10) == 0)
				continue; /* lost */

			opened = (size_t)their_bytes;
			assert_int_equal(
				media_crypto_unprotect_rtcp(pair.our_receiver, theirs, &opened), 0);
			assert_int_equal(opened, length);
			assert_memory_equal(theirs, plain, length);
			assert_int_equal(srtp_unprotect_rtcp(pair.their_receiver, ours, &r),
					 srtp_err_status_ok);
			assert_int_equal(r, length);
			assert_memory_equal(ours, plain, length);
		}
		pair_free(&pair);
	}
}

static int start_libsrtp(void **state)
{
	(void)state;
	return srtp_init() == srtp_err_status_ok ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rtp_is_byte_for_byte_what_libsrtp_makes_and_takes),
		cmocka_unit_test(rtcp_is_understood_by_libsrtp_and_the_reverse),
	};

	return cmocka_run_group_tests(tests, start_libsrtp, NULL);
}
