/* The RFCs' vectors, and what a media_crypto refuses. test_srtp_differential.c has the rest. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sfu/wire/rtp.h"
#include "sfu/wire/srtp.h"
#include "sfu/wire/srtp_cipher.h"
#include "sfu/wire/srtp_kdf.h"
#include "tests/unit/sfu/hex.h"

static const enum srtp_suite suites[] = {
	SRTP_SUITE_AES128_CM_SHA1_80,
	SRTP_SUITE_AEAD_AES_128_GCM,
	SRTP_SUITE_AEAD_AES_256_GCM,
};

static const uint8_t test_key[SRTP_KEY_MAX] = {1, 2, 3, 4};
static const uint8_t test_salt[SRTP_SALT_MAX] = {5, 6, 7, 8};

static struct media_crypto *crypto_for(enum srtp_suite suite)
{
	struct media_crypto *crypto = NULL;

	assert_int_equal(media_crypto_new(suite, test_key, test_salt, &crypto), 0);
	return crypto;
}

static void assert_hex(const uint8_t *bytes, const char *expected)
{
	uint8_t wanted[256];
	size_t length = from_hex(expected, wanted, sizeof(wanted));

	assert_memory_equal(bytes, wanted, length);
}

/* RFC 3711 appendix B.3, RFC 6188 section 7.2 */
static void session_keys_are_those_of_the_rfcs(void **state)
{
	static const struct {
		const char *key, *salt;
		enum srtp_label label;
		const char *expected;
	} cases[] = {
		{"E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
		 SRTP_LABEL_RTP_ENCRYPTION, "C61E7A93744F39EE10734AFE3FF7A087"},
		{"E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
		 SRTP_LABEL_RTP_SALT, "30CBBC08863D8C85D49DB34A9AE1"},
		{"E1F97A0D3E018BE0D64FA32C06DE4139", "0EC675AD498AFEEBB6960B3AABE6",
		 SRTP_LABEL_RTP_AUTHENTICATION, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
		{"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
		 "3b04803de51ee7c96423ab5b78d2", SRTP_LABEL_RTP_ENCRYPTION,
		 "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4"},
		{"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
		 "3b04803de51ee7c96423ab5b78d2", SRTP_LABEL_RTP_SALT,
		 "fa31791685ca444a9e07c6c64e93"},
		{"f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
		 "3b04803de51ee7c96423ab5b78d2", SRTP_LABEL_RTP_AUTHENTICATION,
		 "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint8_t key[32], salt[14], expected[32], out[32];
		size_t key_bytes = from_hex(cases[i].key, key, sizeof(key));
		size_t out_bytes = from_hex(cases[i].expected, expected, sizeof(expected));

		(void)from_hex(cases[i].salt, salt, sizeof(salt));
		assert_int_equal(srtp_derive(key, key_bytes, salt, cases[i].label, out, out_bytes),
				 0);
		assert_memory_equal(out, expected, out_bytes);
	}
}

/* RFC 3711 appendix B.2: SSRC and index are 0, so that zeros encrypt to the key stream. */
static void aes_cm_yields_the_rfcs_key_stream(void **state)
{
	const uint8_t header[RTP_HEADER_BYTES] = {0x80}, zeros[48] = {0};
	const struct srtp_seal seal = {.header = {header, sizeof(header)}};
	struct srtp_session_keys keys = {0};
	AUTO(srtp_cipher) cipher = NULL;
	uint8_t out[48], tag[10];

	(void)state;
	(void)from_hex("2B7E151628AED2A6ABF7158809CF4F3C", keys.encryption, 16);
	(void)from_hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD", keys.salt, 14);
	assert_int_equal(srtp_cipher_new(SRTP_SUITE_AES128_CM_SHA1_80, &keys, &cipher), 0);
	assert_int_equal(srtp_cipher_seal(cipher, &seal, (struct slice){zeros, 1},
					  (struct slice){zeros, 47}, out, tag),
			 0);
	assert_hex(out, "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"
			"41E95B3BB0A2E8DD477901E4FCA894C0");
}

static const char gcm_key[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char gcm_salt[] = "517569642070726f2071756f";

static struct media_crypto *gcm_vector_crypto(enum srtp_suite suite)
{
	struct srtp_session_keys keys = {0};
	struct media_crypto *crypto = NULL;

	(void)from_hex(gcm_key, keys.encryption, sizeof(keys.encryption));
	(void)from_hex(gcm_salt, keys.salt, sizeof(keys.salt));
	assert_int_equal(media_crypto_new_from_session(suite, &keys, &keys, &crypto), 0);
	return crypto;
}

/* RFC 7714 sections 16.1.1, 16.1.2, 16.2.1 and 16.2.2 */
static void gcm_srtp_agrees_with_the_rfc(void **state)
{
	static const char plain[] = "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064"
				    "697669736120696e207061727465732074726573";
	static const struct {
		enum srtp_suite suite;
		const char *sealed;
	} cases[] = {
		{SRTP_SUITE_AEAD_AES_128_GCM,
		 "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a"
		 "51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce"},
		{SRTP_SUITE_AEAD_AES_256_GCM,
		 "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a02"
		 "76ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(media_crypto) sender = gcm_vector_crypto(cases[i].suite);
		AUTO(media_crypto) receiver = gcm_vector_crypto(cases[i].suite);
		uint8_t packet[128], out[128];
		size_t length = from_hex(plain, packet, sizeof(packet));
		int sealed;

		memcpy(out, packet, RTP_HEADER_BYTES);
		sealed = media_crypto_protect_rtp(sender, out, sizeof(out), RTP_HEADER_BYTES, NULL,
						  0, packet + RTP_HEADER_BYTES,
						  length - RTP_HEADER_BYTES);
		assert_int_equal(sealed, length + 16);
		assert_hex(out, cases[i].sealed);

		length = (size_t)sealed;
		assert_int_equal(media_crypto_unprotect_rtp(receiver, out, &length), 0);
		assert_int_equal(length, sealed - 16);
		assert_hex(out, plain);
	}
}

/* RFC 7714 sections 17.1 and 17.2 */
static void gcm_srtcp_agrees_with_the_rfc(void **state)
{
	static const char plain[] = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c75"
				    "6e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
	static const struct {
		enum srtp_suite suite;
		const char *sealed;
	} cases[] = {
		{SRTP_SUITE_AEAD_AES_128_GCM,
		 "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda"
		 "4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4"},
		{SRTP_SUITE_AEAD_AES_256_GCM,
		 "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be"
		 "8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(media_crypto) sender = gcm_vector_crypto(cases[i].suite);
		AUTO(media_crypto) receiver = gcm_vector_crypto(cases[i].suite);
		uint8_t packet[128], sealed[128];
		size_t length = from_hex(cases[i].sealed, sealed, sizeof(sealed));
		size_t plain_bytes = from_hex(plain, packet, sizeof(packet));
		int r = 0;

		memcpy(packet, sealed, length);
		assert_int_equal(media_crypto_unprotect_rtcp(receiver, packet, &length), 0);
		assert_int_equal(length, plain_bytes);
		assert_hex(packet, plain);

		/* Our own packets are numbered from 0; the vector's is number 0x5d4. */
		for (unsigned index = 0; index <= 0x5d4; index++) {
			(void)from_hex(plain, packet, sizeof(packet));
			r = media_crypto_protect_rtcp(sender, packet, plain_bytes, sizeof(packet));
		}
		assert_int_equal(r, plain_bytes + 20);
		assert_memory_equal(packet, sealed, plain_bytes + 20);
	}
}

/* An RTP packet with `payload_bytes` zero bytes; returns its sealed length. */
static size_t seal_rtp(struct media_crypto *crypto, uint8_t *out, uint16_t sequence_number,
		       uint32_t ssrc, size_t payload_bytes)
{
	static const uint8_t payload[64];
	int length;

	rtp_header_encode(out, 96, false, false, false, sequence_number, 0, ssrc);
	length = media_crypto_protect_rtp(crypto, out, 128, RTP_HEADER_BYTES, NULL, 0, payload,
					  payload_bytes);
	assert_true(length > 0);
	return (size_t)length;
}

static void every_flipped_bit_and_every_cut_is_refused_and_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		AUTO(media_crypto) receiver = crypto_for(suites[i]);
		uint8_t sealed[128], packet[128];
		size_t sealed_bytes, length;

		length = seal_rtp(sender, sealed, 100, 7, 20);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, sealed, &length), 0);
		sealed_bytes = seal_rtp(sender, sealed, 101, 7, 20);
		for (size_t bit = 0; bit < sealed_bytes * 8; bit++) {
			int r;

			memcpy(packet, sealed, sealed_bytes);
			packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
			length = sealed_bytes;
			r = media_crypto_unprotect_rtp(receiver, packet, &length);
			assert_true(r == -EKEYREJECTED || r == -EBADMSG || r == -EALREADY);
			assert_int_equal(length, sealed_bytes);
		}
		for (size_t cut = 0; cut < sealed_bytes; cut++) {
			memcpy(packet, sealed, sealed_bytes);
			length = cut;
			assert_true(media_crypto_unprotect_rtp(receiver, packet, &length) < 0);
			assert_int_equal(length, cut);
		}
		memcpy(packet, sealed, sealed_bytes);
		length = sealed_bytes;
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
		length = sealed_bytes;
		assert_int_equal(media_crypto_unprotect_rtp(receiver, sealed, &length), -EALREADY);
	}
}

static void srtcp_stands_up_to_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		AUTO(media_crypto) receiver = crypto_for(suites[i]);
		uint8_t sealed[64] = {0x81, 0xc8, 0, 6, 0, 0, 0, 9}, packet[64];
		size_t length, sealed_bytes;
		int r;

		r = media_crypto_protect_rtcp(sender, sealed, 28, sizeof(sealed));
		assert_true(r > 28);
		sealed_bytes = (size_t)r;
		for (size_t bit = 0; bit < sealed_bytes * 8; bit++) {
			memcpy(packet, sealed, sealed_bytes);
			packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
			length = sealed_bytes;
			r = media_crypto_unprotect_rtcp(receiver, packet, &length);
			assert_true(r == -EKEYREJECTED || r == -EBADMSG);
		}
		for (length = 0; length < sealed_bytes; length++) {
			size_t cut = length;

			memcpy(packet, sealed, sealed_bytes);
			assert_true(media_crypto_unprotect_rtcp(receiver, packet, &cut) < 0);
		}
		memcpy(packet, sealed, sealed_bytes);
		length = sealed_bytes;
		assert_int_equal(media_crypto_unprotect_rtcp(receiver, packet, &length), 0);
		assert_int_equal(length, 28);
		length = sealed_bytes;
		assert_int_equal(media_crypto_unprotect_rtcp(receiver, sealed, &length), -EALREADY);
	}
}

static void packets_older_than_the_window_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		AUTO(media_crypto) receiver = crypto_for(suites[i]);
		uint8_t old[128], oldest[128], packet[128];
		size_t old_bytes, oldest_bytes, length;

		oldest_bytes = seal_rtp(sender, oldest, 100, 7, 20);
		old_bytes = seal_rtp(sender, old, 101, 7, 20);
		length = seal_rtp(sender, packet, 100 + SRTP_REPLAY_WINDOW, 7, 20);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, oldest, &oldest_bytes),
				 -ESTALE);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, old, &old_bytes), 0);
	}
}

static void an_index_is_sent_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		uint8_t first[128], again[128];
		const uint8_t payload[20] = {0};
		size_t length = seal_rtp(sender, first, 5000, 7, sizeof(payload));
		int r;

		rtp_header_encode(again, 96, false, false, false, 5000, 0, 7);
		r = media_crypto_protect_rtp(sender, again, sizeof(again), RTP_HEADER_BYTES, NULL,
					     0, payload, sizeof(payload));
		assert_int_equal(r, -EALREADY);
		r = media_crypto_protect_rtp_again(sender, again, sizeof(again), RTP_HEADER_BYTES,
						   NULL, 0, payload, sizeof(payload));
		assert_int_equal(r, length);
		assert_memory_equal(again, first, length);

		/* What was never sent, or too long ago to know, is not sent "again". */
		rtp_header_encode(again, 96, false, false, false, 5001, 0, 7);
		assert_int_equal(media_crypto_protect_rtp_again(sender, again, sizeof(again),
								RTP_HEADER_BYTES, NULL, 0, payload,
								sizeof(payload)),
				 -ENOENT);
		rtp_header_encode(again, 96, false, false, false, 5000, 0, 8);
		assert_int_equal(media_crypto_protect_rtp_again(sender, again, sizeof(again),
								RTP_HEADER_BYTES, NULL, 0, payload,
								sizeof(payload)),
				 -ENOENT);
		rtp_header_encode(again, 96, false, false, false, 5000 - SRTP_REPLAY_WINDOW, 0, 7);
		assert_int_equal(media_crypto_protect_rtp(sender, again, sizeof(again),
							  RTP_HEADER_BYTES, NULL, 0, payload,
							  sizeof(payload)),
				 -ESTALE);
	}
}

static void a_prefix_is_encrypted_with_the_payload(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		AUTO(media_crypto) receiver = crypto_for(suites[i]);
		uint8_t packet[64];
		size_t length;
		int r;

		rtp_header_encode(packet, 97, false, false, false, 1, 0, 7);
		r = media_crypto_protect_rtp(sender, packet, sizeof(packet), RTP_HEADER_BYTES,
					     (const uint8_t *)"\x12\x34", 2,
					     (const uint8_t *)"media", 5);
		assert_true(r > 0);
		length = (size_t)r;
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
		assert_int_equal(length, RTP_HEADER_BYTES + 7);
		assert_memory_equal(packet + RTP_HEADER_BYTES, "\x12\x34media", 7);

		length = seal_rtp(sender, packet, 2, 7, 0);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
		assert_int_equal(length, RTP_HEADER_BYTES);
	}
}

static void a_buffer_too_small_uses_no_index_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		AUTO(media_crypto) sender = crypto_for(suites[i]);
		uint8_t out[64];
		int r = -EMSGSIZE;
		size_t capacity;

		for (capacity = RTP_HEADER_BYTES; r == -EMSGSIZE; capacity++) {
			rtp_header_encode(out, 96, false, false, false, 1, 0, 7);
			r = media_crypto_protect_rtp(sender, out, capacity, RTP_HEADER_BYTES, NULL,
						     0, (const uint8_t *)"media", 5);
		}
		assert_int_equal(r, capacity - 1);
		assert_true(r <= RTP_HEADER_BYTES + 5 + SRTP_OVERHEAD_MAX);
		assert_int_equal(media_crypto_protect_rtcp(sender, out, 8, 12), -EMSGSIZE);
	}
}

static void a_forgotten_ssrc_is_refused_both_ways(void **state)
{
	AUTO(media_crypto) sender = crypto_for(SRTP_SUITE_AEAD_AES_128_GCM);
	AUTO(media_crypto) receiver = crypto_for(SRTP_SUITE_AEAD_AES_128_GCM);
	uint8_t packet[128], replay[128];
	size_t length = seal_rtp(sender, packet, 1, 7, 20), replay_bytes = length;

	(void)state;
	memcpy(replay, packet, length);
	assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
	media_crypto_forget(receiver, 7);
	assert_int_equal(media_crypto_unprotect_rtp(receiver, replay, &replay_bytes), -EEXIST);
	media_crypto_forget(sender, 7);
	rtp_header_encode(packet, 96, false, false, false, 2, 0, 7);
	assert_int_equal(media_crypto_protect_rtp(sender, packet, sizeof(packet), RTP_HEADER_BYTES,
						  NULL, 0, (const uint8_t *)"media", 5),
			 -EEXIST);
}

/* Under SSRC 7, whose stream is looked up where *stream is NULL. */
static int protect_on(struct media_crypto *sender, struct srtp_stream **stream, uint16_t sequence)
{
	uint8_t packet[128];

	rtp_header_encode(packet, 96, false, false, false, sequence, 0, 7);
	return media_crypto_protect_rtp_on(sender, stream, packet, sizeof(packet), RTP_HEADER_BYTES,
					   NULL, 0, (const uint8_t *)"media", 5);
}

static void a_stream_is_looked_up_once(void **state)
{
	AUTO(media_crypto) sender = crypto_for(SRTP_SUITE_AEAD_AES_128_GCM);
	struct srtp_stream *stream = NULL, *again = NULL;

	(void)state;
	assert_true(protect_on(sender, &stream, 1) > 0);
	assert_non_null(stream);
	assert_int_equal(protect_on(sender, &stream, 1), -EALREADY);
	assert_true(protect_on(sender, &again, 2) > 0);
	assert_ptr_equal(again, stream);
	assert_int_equal(protect_on(sender, &stream, 2), -EALREADY);
	media_crypto_forget(sender, 7);
	stream = NULL;
	assert_int_equal(protect_on(sender, &stream, 3), -EEXIST);
	assert_null(stream);
}

static void forged_ssrcs_take_up_no_room(void **state)
{
	AUTO(media_crypto) sender = crypto_for(SRTP_SUITE_AES128_CM_SHA1_80);
	AUTO(media_crypto) receiver = crypto_for(SRTP_SUITE_AES128_CM_SHA1_80);
	uint8_t packet[128] = {0};
	size_t length;

	(void)state;
	for (uint32_t ssrc = 0; ssrc < SRTP_STREAMS_MAX + 10; ssrc++) {
		rtp_header_encode(packet, 96, false, false, false, 1, 0, ssrc);
		length = 64;
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length),
				 -EKEYREJECTED);
	}
	for (uint32_t ssrc = 0; ssrc < SRTP_STREAMS_MAX; ssrc++) {
		length = seal_rtp(sender, packet, 1, ssrc, 20);
		assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), 0);
	}
	rtp_header_encode(packet, 96, false, false, false, 1, 0, SRTP_STREAMS_MAX);
	length = 64;
	assert_int_equal(media_crypto_unprotect_rtp(receiver, packet, &length), -ENOSPC);
}

static void srtcp_without_encryption_is_refused(void **state)
{
	/* RFC 7714 section 17.3: authentic, but only tagged. */
	AUTO(media_crypto) receiver = gcm_vector_crypto(SRTP_SUITE_AEAD_AES_128_GCM);
	uint8_t packet[128];
	size_t length = from_hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61"
				 "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
				 "841dd9683dd78ec92ae58790125f62b3000005d4",
				 packet, sizeof(packet));

	(void)state;
	assert_int_equal(media_crypto_unprotect_rtcp(receiver, packet, &length), -EBADMSG);
}

static void an_unknown_suite_is_refused(void **state)
{
	struct media_crypto *crypto = NULL;

	(void)state;
	assert_int_equal(media_crypto_new(SRTP_SUITE_NONE, test_key, test_salt, &crypto), -EINVAL);
	assert_int_equal(media_crypto_new((enum srtp_suite)2, test_key, test_salt, &crypto),
			 -EINVAL);
	assert_null(crypto);
	assert_null(media_crypto_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_keys_are_those_of_the_rfcs),
		cmocka_unit_test(aes_cm_yields_the_rfcs_key_stream),
		cmocka_unit_test(gcm_srtp_agrees_with_the_rfc),
		cmocka_unit_test(gcm_srtcp_agrees_with_the_rfc),
		cmocka_unit_test(every_flipped_bit_and_every_cut_is_refused_and_changes_nothing),
		cmocka_unit_test(srtcp_stands_up_to_the_same),
		cmocka_unit_test(packets_older_than_the_window_are_refused),
		cmocka_unit_test(an_index_is_sent_once),
		cmocka_unit_test(a_prefix_is_encrypted_with_the_payload),
		cmocka_unit_test(a_buffer_too_small_uses_no_index_up),
		cmocka_unit_test(a_forgotten_ssrc_is_refused_both_ways),
		cmocka_unit_test(a_stream_is_looked_up_once),
		cmocka_unit_test(forged_ssrcs_take_up_no_room),
		cmocka_unit_test(srtcp_without_encryption_is_refused),
		cmocka_unit_test(an_unknown_suite_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
