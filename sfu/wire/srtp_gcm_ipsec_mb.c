#include "sfu/wire/srtp_gcm.h"

#ifdef HAVE_IPSEC_MB

#include <errno.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct srtp_gcm_key {
	struct gcm_key_data schedule; /* first: it wants to be aligned */
	bool is_long;		      /* 256 bits */
};

/* The library's table of functions for this processor, for the life of the process. What is used
 * of it here keeps nothing between calls. */
static IMB_MGR *functions;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose_functions(void)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (!manager)
		return;
	init_mb_mgr_auto(manager, NULL);
	/* Without the instructions the library imitates them, which is slow. */
	if (imb_get_errno(manager) != 0 || !(manager->features & IMB_FEATURE_AESNI)) {
		free_mb_mgr(manager);
		return;
	}
	functions = manager;
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
	key->is_long = length == 32;
	if (key->is_long)
		IMB_AES256_GCM_PRE(functions, bytes, &key->schedule);
	else
		IMB_AES128_GCM_PRE(functions, bytes, &key->schedule);
	return key;
}

/* In two stretches: what we put before the body is not next to it. */
static void seal_both(struct srtp_gcm_key *key, const uint8_t *nonce, struct slice aad,
		      struct slice prefix, struct slice body, uint8_t *out, uint8_t *tag)
{
	const struct gcm_key_data *schedule = &key->schedule;
	struct gcm_context_data context;

	if (key->is_long) {
		IMB_AES256_GCM_INIT(functions, schedule, &context, nonce, aad.data, aad.length);
		IMB_AES256_GCM_ENC_UPDATE(functions, schedule, &context, out, prefix.data,
					  prefix.length);
		IMB_AES256_GCM_ENC_UPDATE(functions, schedule, &context, out + prefix.length,
					  body.data, body.length);
		IMB_AES256_GCM_ENC_FINALIZE(functions, schedule, &context, tag, SRTP_GCM_TAG_BYTES);
	} else {
		IMB_AES128_GCM_INIT(functions, schedule, &context, nonce, aad.data, aad.length);
		IMB_AES128_GCM_ENC_UPDATE(functions, schedule, &context, out, prefix.data,
					  prefix.length);
		IMB_AES128_GCM_ENC_UPDATE(functions, schedule, &context, out + prefix.length,
					  body.data, body.length);
		IMB_AES128_GCM_ENC_FINALIZE(functions, schedule, &context, tag, SRTP_GCM_TAG_BYTES);
	}
}

static int seal(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		struct slice aad, struct slice prefix, struct slice body, uint8_t *out,
		uint8_t *tag)
{
	struct gcm_context_data context;

	if (prefix.length > 0)
		seal_both(key, nonce, aad, prefix, body, out, tag);
	else if (key->is_long)
		IMB_AES256_GCM_ENC(functions, &key->schedule, &context, out, body.data, body.length,
				   nonce, aad.data, aad.length, tag, SRTP_GCM_TAG_BYTES);
	else
		IMB_AES128_GCM_ENC(functions, &key->schedule, &context, out, body.data, body.length,
				   nonce, aad.data, aad.length, tag, SRTP_GCM_TAG_BYTES);
	return 0;
}

static int open_sealed(struct srtp_gcm_key *key, const uint8_t nonce[SRTP_GCM_NONCE_BYTES],
		       struct slice aad, uint8_t *body, size_t length, const uint8_t *tag)
{
	struct gcm_context_data context;
	uint8_t expected[SRTP_GCM_TAG_BYTES];

	if (key->is_long)
		IMB_AES256_GCM_DEC(functions, &key->schedule, &context, body, body, length, nonce,
				   aad.data, aad.length, expected, SRTP_GCM_TAG_BYTES);
	else
		IMB_AES128_GCM_DEC(functions, &key->schedule, &context, body, body, length, nonce,
				   aad.data, aad.length, expected, SRTP_GCM_TAG_BYTES);
	return CRYPTO_memcmp(expected, tag, SRTP_GCM_TAG_BYTES) == 0 ? 0 : -EKEYREJECTED;
}

static const struct srtp_gcm_library library = {"intel-ipsec-mb", key_new, key_free, seal,
						open_sealed};

const struct srtp_gcm_library *srtp_gcm_ipsec_mb(void)
{
	(void)pthread_once(&once, choose_functions);
	return functions ? &library : NULL;
}

#else

const struct srtp_gcm_library *srtp_gcm_ipsec_mb(void)
{
	return NULL;
}

#endif
