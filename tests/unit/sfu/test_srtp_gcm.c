/* Every library that we can have AES-GCM from gives the same bytes: it is chosen by the machine. */
#include <errno.h>
#include <string.h>

#include "sfu/wire/srtp_gcm.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/sfu/random.h"

enum { ROUNDS = 4000, BODY_MAX = 1400, AAD_MAX = 96, PREFIX_MAX = 24 };

struct message {
	uint8_t key[32], nonce[SRTP_GCM_NONCE_BYTES];
	uint8_t aad[AAD_MAX], prefix[PREFIX_MAX], body[BODY_MAX];
	size_t key_bytes, aad_bytes, prefix_bytes, body_bytes;
};

struct sealed {
	uint8_t bytes[PREFIX_MAX + BODY_MAX], tag[SRTP_GCM_TAG_BYTES];
};

static struct message random_message(struct random *random)
{
	struct message message;

	random_fill(random, &message, sizeof(message));
	message.key_bytes = random_below(random, 2) ? 16 : 32;
	message.aad_bytes = 12 + random_below(random, AAD_MAX - 12);
	message.prefix_bytes = random_below(random, 2) ? random_below(random, PREFIX_MAX) : 0;
	message.body_bytes = random_below(random, 8) ? random_below(random, BODY_MAX) : 0;
	return message;
}

static struct slice aad_of(const struct message *message)
{
	return (struct slice){message->aad, message->aad_bytes};
}

static struct sealed seal(const struct srtp_gcm_library *library, const struct message *message)
{
	struct srtp_gcm_key *key = library->key_new(message->key, message->key_bytes);
	struct sealed sealed = {0};

	assert_non_null(key);
	assert_int_equal(library->seal(key, message->nonce, aad_of(message),
				       (struct slice){message->prefix, message->prefix_bytes},
				       (struct slice){message->body, message->body_bytes},
				       sealed.bytes, sealed.tag),
			 0);
	assert_null(library->key_free(key));
	return sealed;
}

static int open_sealed(const struct srtp_gcm_library *library, const struct message *message,
		       struct sealed *sealed)
{
	struct srtp_gcm_key *key = library->key_new(message->key, message->key_bytes);
	int r = library->open(key, message->nonce, aad_of(message), sealed->bytes,
			      message->prefix_bytes + message->body_bytes, sealed->tag);

	(void)library->key_free(key);
	return r;
}

/* The first block of test case 4 in appendix B of the GCM specification (McGrew and Viega). */
static void assert_gives_the_standards_bytes(const struct srtp_gcm_library *library)
{
	static const uint8_t key[16] = {0xfe, 0xff, 0xe9, 0x92, 0x86, 0x65, 0x73, 0x1c,
					0x6d, 0x6a, 0x8f, 0x94, 0x67, 0x30, 0x83, 0x08};
	static const uint8_t nonce[12] = {0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce,
					  0xdb, 0xad, 0xde, 0xca, 0xf8, 0x88};
	static const uint8_t aad[20] = {0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
					0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2};
	static const uint8_t plain[16] = {0xd9, 0x31, 0x32, 0x25, 0xf8, 0x84, 0x06, 0xe5,
					  0xa5, 0x59, 0x09, 0xc5, 0xaf, 0xf5, 0x26, 0x9a};
	static const uint8_t expected[16] = {0x42, 0x83, 0x1e, 0xc2, 0x21, 0x77, 0x74, 0x24,
					     0x4b, 0x72, 0x21, 0xb7, 0x84, 0xd0, 0xd4, 0x9c};
	struct message message = {.key_bytes = 16, .aad_bytes = 20, .body_bytes = 16};
	struct sealed sealed;

	memcpy(message.key, key, sizeof(key));
	memcpy(message.nonce, nonce, sizeof(nonce));
	memcpy(message.aad, aad, sizeof(aad));
	memcpy(message.body, plain, sizeof(plain));
	sealed = seal(library, &message);
	assert_memory_equal(sealed.bytes, expected, sizeof(expected));
}

static void assert_opens_and_refuses(const struct srtp_gcm_library *library, struct random *random,
				     const struct message *message, const struct sealed *sealed)
{
	size_t length = message->prefix_bytes + message->body_bytes;
	struct message other = *message;
	struct sealed damaged = *sealed, opened = *sealed;

	assert_int_equal(open_sealed(library, message, &opened), 0);
	assert_memory_equal(opened.bytes, message->prefix, message->prefix_bytes);
	assert_memory_equal(opened.bytes + message->prefix_bytes, message->body,
			    message->body_bytes);

	damaged.tag[random_below(random, SRTP_GCM_TAG_BYTES)] ^= 1;
	assert_int_equal(open_sealed(library, message, &damaged), -EKEYREJECTED);
	damaged = *sealed;
	other.aad[random_below(random, (uint32_t)message->aad_bytes)] ^= 0x80;
	assert_int_equal(open_sealed(library, &other, &damaged), -EKEYREJECTED);
	damaged = *sealed;
	if (length > 0) {
		damaged.bytes[random_below(random, (uint32_t)length)] ^= 0x10;
		assert_int_equal(open_sealed(library, message, &damaged), -EKEYREJECTED);
	}
}

static void openssl_seals_and_opens(void **state)
{
	struct random random = random_from_environment();

	(void)state;
	assert_gives_the_standards_bytes(&srtp_gcm_openssl);
	for (int i = 0; i < ROUNDS; i++) {
		struct message message = random_message(&random);
		struct sealed sealed = seal(&srtp_gcm_openssl, &message);

		assert_opens_and_refuses(&srtp_gcm_openssl, &random, &message, &sealed);
	}
}

static void ipsec_mb_gives_the_bytes_of_openssl(void **state)
{
	const struct srtp_gcm_library *library = srtp_gcm_ipsec_mb();
	struct random random = random_from_environment();

	(void)state;
	if (!library)
		skip(); /* not built with it, or not for this processor */
	assert_gives_the_standards_bytes(library);
	for (int i = 0; i < ROUNDS; i++) {
		struct message message = random_message(&random);
		struct sealed sealed = seal(library, &message);
		struct sealed expected = seal(&srtp_gcm_openssl, &message);

		assert_memory_equal(&sealed, &expected, sizeof(sealed));
		assert_opens_and_refuses(library, &random, &message, &sealed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_seals_and_opens),
		cmocka_unit_test(ipsec_mb_gives_the_bytes_of_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
