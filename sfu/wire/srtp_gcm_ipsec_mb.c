#include "sfu/wire/srtp_gcm.h"

#ifdef HAVE_IPSEC_MB

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What the library has for this processor, for one length of key. It keeps nothing between calls.
 */
struct functions {
	aes_gcm_pre_t prepare;
	aes_gcm_enc_dec_t encrypt, decrypt;
	aes_gcm_init_t begin;
	aes_gcm_enc_dec_update_t encrypt_more;
	aes_gcm_enc_dec_finalize_t end_encryption;
};

struct srtp_gcm_key {
	struct gcm_key_data schedule; /* first: it wants to be aligned */
	const struct functions *functions;
};

static struct functions of_128_bits, of_256_bits; /* for the life of the process */
static bool is_usable;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose_functions(void)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (!manager)
		return;
	init_mb_mgr_auto(manager, NULL);
	/* Without the instructions the library imitates them, which is slow. */
	is_usable = imb_get_errno(manager) == 0 && (manager->features & IMB_FEATURE_AESNI);
	of_128_bits = (struct functions){manager->gcm128_pre,	     manager->gcm128_enc,
					 manager->gcm128_dec,	     manager->gcm128_init,
					 manager->gcm128_enc_update, manager->gcm128_enc_finalize};
	of_256_bits = (struct functions){manager->gcm256_pre,	     manager->gcm256_enc,
					 manager->gcm256_dec,	     manager->gcm256_init,
					 manager->gcm256_enc_update, manager->gcm256_enc_finalize};
	free_mb_mgr(manager);
}

static struct srtp_gcm_key *key_free(struct srtp_gcm_key *key)
{
	if (key)
		explicit_bzero(key, sizeof(*key));
	free(key);
	return NULL;
}

static struct srtp_gcm_key *key_new(const uint8_t *bytes, size_t length)
{
	const size_t alignment = 64;
	size_t size = (sizeof(struct srtp_gcm_key) + alignment - 1) / alignment * alignment;
	struct srtp_gcm_key *key = aligned_alloc(alignment, size);

	if (!key)
		return NULL;
	key->functions = length == 16 ? &of_128_bits : &of_256_bits;
	key->functions->prepare(bytes, &key->schedule);
	return key;
}

static int seal(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		struct slice aad, struct slice prefix, struct slice body, uint8_t *out,
		uint8_t *tag)
{
	const struct functions *with = key->functions;
	struct gcm_context_data context;

	if (prefix.length == 0) {
		with->encrypt(&key->schedule, &context, out, body.data, body.length, nonce,
			      aad.data, aad.length, tag, SRTP_GCM_TAG_BYTES);
		return 0;
	}
	/* What we put before the body is not next to it. */
	with->begin(&key->schedule, &context, nonce, aad.data, aad.length);
	with->encrypt_more(&key->schedule, &context, out, prefix.data, prefix.length);
	with->encrypt_more(&key->schedule, &context, out + prefix.length, body.data, body.length);
	with->end_encryption(&key->schedule, &context, tag, SRTP_GCM_TAG_BYTES);
	return 0;
}

static int open_sealed(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		       struct slice aad, uint8_t *body, size_t length, const uint8_t *tag)
{
	struct gcm_context_data context;
	uint8_t expected[SRTP_GCM_TAG_BYTES];

	key->functions->decrypt(&key->schedule, &context, body, body, length, nonce, aad.data,
				aad.length, expected, SRTP_GCM_TAG_BYTES);
	return CRYPTO_memcmp(expected, tag, SRTP_GCM_TAG_BYTES) == 0 ? 0 : -EKEYREJECTED;
}

static const struct srtp_gcm_library library = {"intel-ipsec-mb", key_new, key_free, seal,
						open_sealed};

const struct srtp_gcm_library *srtp_gcm_ipsec_mb(void)
{
	(void)pthread_once(&once, choose_functions);
	return is_usable ? &library : NULL;
}

#else

const struct srtp_gcm_library *srtp_gcm_ipsec_mb(void)
{
	return NULL;
}

#endif
