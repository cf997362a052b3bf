#include "sfu/edge/dtls_goodbye.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <string.h>

#include "core/cursor.h"

enum {
	TAG_BYTES = 16,
	HEADER_BYTES = 13,
	SEALED_EPOCH = 1, /* the only one after that of the handshake: nothing is renegotiated */
	EXPLICIT_NONCE_BYTES = 8,
	GCM_SALT_BYTES = 4,
	ALERT_BYTES = 2, /* level, description */
	CLOSE_NOTIFY = 0
};

static const char label[] = "key expansion";
enum { LABEL_BYTES = sizeof(label) - 1 };

/* ---- keys ---- */

static bool is_gcm(const EVP_CIPHER *cipher)
{
	return EVP_CIPHER_get_mode(cipher) == EVP_CIPH_GCM_MODE;
}

/* Of the association, not of one record. */
static size_t iv_bytes(const EVP_CIPHER *cipher)
{
	return is_gcm(cipher) ? GCM_SALT_BYTES : DTLS_IV_MAX;
}

/* TLS's pseudo-random function of the master secret: the key block (RFC 5246 section 6.3). */
static bool expand(const EVP_MD *digest, uint8_t *secret, size_t secret_bytes, uint8_t *seed,
		   size_t seed_bytes, uint8_t *block, size_t block_bytes)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
	EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	char name[32] = "";
	const OSSL_PARAM parameters[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, secret, secret_bytes),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, seed_bytes),
		OSSL_PARAM_construct_end()};
	bool is_good;

	strncat(name, EVP_MD_get0_name(digest), sizeof(name) - 1);
	is_good = context && EVP_KDF_derive(context, block, block_bytes, parameters) == 1;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return is_good;
}

/* An AEAD's key block is client key, server key, client IV, server IV: there are no MAC keys. */
static bool derive(struct dtls_goodbye *goodbye, const SSL *ssl)
{
	const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
	size_t key_bytes = (size_t)EVP_CIPHER_get_key_length(goodbye->cipher);
	uint8_t secret[SSL_MAX_MASTER_KEY_LENGTH], seed[LABEL_BYTES + 2 * SSL3_RANDOM_SIZE];
	uint8_t block[2 * DTLS_KEY_MAX + DTLS_IV_MAX];
	size_t secret_bytes =
		SSL_SESSION_get_master_key(SSL_get0_session(ssl), secret, sizeof(secret));
	bool is_good;

	memcpy(seed, label, LABEL_BYTES);
	(void)SSL_get_server_random(ssl, seed + LABEL_BYTES, SSL3_RANDOM_SIZE);
	(void)SSL_get_client_random(ssl, seed + LABEL_BYTES + SSL3_RANDOM_SIZE, SSL3_RANDOM_SIZE);
	is_good = key_bytes <= DTLS_KEY_MAX &&
		  expand(digest, secret, secret_bytes, seed, sizeof(seed), block,
			 2 * key_bytes + iv_bytes(goodbye->cipher));
	if (is_good) {
		memcpy(goodbye->key, block, key_bytes);
		memcpy(goodbye->iv, block + 2 * key_bytes, iv_bytes(goodbye->cipher));
	}
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(block, sizeof(block));
	return is_good;
}

int dtls_goodbye_init(struct dtls_goodbye *goodbye, SSL *ssl)
{
	int nid = SSL_CIPHER_get_cipher_nid(SSL_get_current_cipher(ssl));

	switch (nid) {
	case NID_aes_128_gcm:
	case NID_aes_256_gcm:
	case NID_chacha20_poly1305:
		break;
	default:
		return -ENOTSUP;
	}
	*goodbye = (struct dtls_goodbye){.cipher = EVP_get_cipherbynid(nid)};
	return goodbye->cipher && derive(goodbye, ssl) ? 0 : -EIO;
}

/* ---- records ---- */

/* What is authenticated beside the body: epoch and sequence number, type, version, length. */
static void write_associated(const uint8_t header[HEADER_BYTES], size_t body_bytes,
			     uint8_t associated[HEADER_BYTES])
{
	memcpy(associated, header + 3, 8);
	memcpy(associated + 8, header, 3);
	associated[11] = (uint8_t)(body_bytes >> 8);
	associated[12] = (uint8_t)body_bytes;
}

static void write_nonce(const struct dtls_goodbye *goodbye, const uint8_t header[HEADER_BYTES],
			struct slice body, uint8_t nonce[DTLS_IV_MAX])
{
	memcpy(nonce, goodbye->iv, DTLS_IV_MAX);
	if (is_gcm(goodbye->cipher)) {
		memcpy(nonce + GCM_SALT_BYTES, body.data, EXPLICIT_NONCE_BYTES);
		return;
	}
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] ^= header[3 + i];
}

/* Open the sealed alert of ALERT_BYTES, the tag behind it. */
static bool open_alert(const struct dtls_goodbye *goodbye, const uint8_t nonce[DTLS_IV_MAX],
		       const uint8_t associated[HEADER_BYTES], const uint8_t *sealed,
		       uint8_t alert[ALERT_BYTES])
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG_BYTES], none[TAG_BYTES];
	int length;
	bool is_good;

	memcpy(tag, sealed + ALERT_BYTES, sizeof(tag));
	is_good = context &&
		  EVP_DecryptInit_ex(context, goodbye->cipher, NULL, goodbye->key, nonce) == 1 &&
		  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
		  EVP_DecryptUpdate(context, NULL, &length, associated, HEADER_BYTES) == 1 &&
		  EVP_DecryptUpdate(context, alert, &length, sealed, ALERT_BYTES) == 1 &&
		  EVP_DecryptFinal_ex(context, none, &length) == 1;
	EVP_CIPHER_CTX_free(context);
	return is_good;
}

static bool is_close_notify(const struct dtls_goodbye *goodbye, const uint8_t header[HEADER_BYTES],
			    struct slice body)
{
	size_t nonce_bytes = is_gcm(goodbye->cipher) ? EXPLICIT_NONCE_BYTES : 0;
	uint8_t associated[HEADER_BYTES], nonce[DTLS_IV_MAX], alert[ALERT_BYTES];

	if (header[0] != SSL3_RT_ALERT || header[3] != 0 || header[4] != SEALED_EPOCH ||
	    body.length != nonce_bytes + ALERT_BYTES + TAG_BYTES)
		return false;
	write_associated(header, ALERT_BYTES, associated);
	write_nonce(goodbye, header, body, nonce);
	return open_alert(goodbye, nonce, associated, body.data + nonce_bytes, alert) &&
	       alert[1] == CLOSE_NOTIFY;
}

bool dtls_goodbye_is_in(const struct dtls_goodbye *goodbye, const uint8_t *datagram, size_t length)
{
	while (length >= HEADER_BYTES) {
		size_t body_bytes = (size_t)datagram[11] << 8 | datagram[12];
		struct slice body = {datagram + HEADER_BYTES, body_bytes};

		if (body_bytes > length - HEADER_BYTES)
			return false;
		if (is_close_notify(goodbye, datagram, body))
			return true;
		datagram += HEADER_BYTES + body_bytes;
		length -= HEADER_BYTES + body_bytes;
	}
	return false;
}
