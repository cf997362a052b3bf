#include "sfu/edge/dtls_link.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>
#include <sys/time.h>

#include "core/heap.h"
#include "sfu/edge/dtls_goodbye.h"

static const char srtp_profiles[] = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:"
				    "SRTP_AES128_CM_SHA1_80";

enum { OWN_GOODBYE_MAX = 64 };

struct dtls_identity {
	SSL_CTX *context;
	BIO_METHOD *method; /* of the datagram BIO below */
	uint8_t fingerprint_sha256[32];
};

struct dtls_link {
	SSL *ssl; /* NULL once it is settled */
	enum dtls_role role;
	enum dtls_state state;
	bool has_begun;		     /* client: it said hello; server: it took one */
	unsigned hellos_passed_over; /* server: those that came to nothing */
	const char *last_reason;     /* why the last did; OpenSSL's, static */
	dtls_send_fn send;
	void *data;
	uint64_t started_us;
	/* The one datagram being read; memory BIOs would lose its boundaries. */
	const uint8_t *incoming;
	size_t incoming_length;
	/* Settled: the peer's goodbye, and ours, sealed in advance. */
	struct dtls_goodbye goodbye;
	uint8_t own_goodbye[OWN_GOODBYE_MAX];
	size_t own_goodbye_length;
};

/* The text of OpenSSL's newest error; clears its queue. */
static const char *openssl_reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : "unknown reason";
}

/* ---- a BIO of datagrams ---- */

static int link_bio_read(BIO *bio, char *out, int size)
{
	struct dtls_link *link = BIO_get_data(bio);
	size_t count;

	BIO_clear_retry_flags(bio);
	if (!link->incoming) {
		BIO_set_retry_read(bio);
		return -1;
	}
	count = link->incoming_length < (size_t)size ? link->incoming_length : (size_t)size;
	memcpy(out, link->incoming, count);
	link->incoming = NULL; /* the rest of a datagram is never read later */
	return (int)count;
}

/* OpenSSL may hand over a whole flight: cut it between records, at most DTLS_DATAGRAM_MAX each. */
static int link_bio_write(BIO *bio, const char *bytes, int size)
{
	struct dtls_link *link = BIO_get_data(bio);
	const uint8_t *at = (const uint8_t *)bytes;
	size_t left = (size_t)size, datagram = 0;

	while (datagram < left) {
		size_t record = left - datagram;

		if (record >= 13) {
			size_t length = 13u + ((size_t)at[datagram + 11] << 8 | at[datagram + 12]);

			record = length < record ? length : record;
		}
		if (datagram > 0 && datagram + record > DTLS_DATAGRAM_MAX) {
			link->send(link->data, at, datagram);
			at += datagram;
			left -= datagram;
			datagram = 0;
		}
		datagram += record;
	}
	if (datagram > 0)
		link->send(link->data, at, datagram);
	return size;
}

static long link_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_DGRAM_QUERY_MTU:
	case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
		return DTLS_DATAGRAM_MAX;
	default:
		return 0;
	}
}

static int link_bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

/* ---- identity ---- */

/* Browsers show certificates of their own making; which one is right is told by the fingerprint in
 * the SDP, compared once the handshake is done. */
static int accept_any_certificate(int preverified, X509_STORE_CTX *store)
{
	(void)preverified;
	(void)store;
	return 1;
}

static X509 *make_certificate(EVP_PKEY *key)
{
	X509 *certificate = X509_new();
	uint8_t serial[8];
	uint64_t number = 0;

	if (!certificate || RAND_bytes(serial, sizeof(serial)) != 1)
		goto fail;
	for (size_t i = 0; i < sizeof(serial); i++)
		number = number << 8 | serial[i];
	if (!X509_set_version(certificate, X509_VERSION_3) ||
	    !ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), number >> 1) ||
	    !X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) ||
	    !X509_gmtime_adj(X509_getm_notAfter(certificate), 30L * 86400) ||
	    !X509_set_pubkey(certificate, key) ||
	    !X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
					(const unsigned char *)"realtime", -1, -1, 0) ||
	    !X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) ||
	    !X509_sign(certificate, key, EVP_sha256()))
		goto fail;
	return certificate;
fail:
	X509_free(certificate);
	return NULL;
}

static bool set_up_certificate(struct dtls_identity *identity)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = key ? make_certificate(key) : NULL;
	bool is_good = certificate &&
		       X509_digest(certificate, EVP_sha256(), identity->fingerprint_sha256, NULL) &&
		       SSL_CTX_use_certificate(identity->context, certificate) == 1 &&
		       SSL_CTX_use_PrivateKey(identity->context, key) == 1;

	X509_free(certificate);
	EVP_PKEY_free(key);
	return is_good;
}

static bool set_up_context(struct dtls_identity *identity)
{
	identity->context = SSL_CTX_new(DTLS_method());
	if (!identity->context)
		return false;
	SSL_CTX_set_verify(identity->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
			   accept_any_certificate);
	SSL_CTX_set_options(identity->context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET |
						       SSL_OP_NO_RENEGOTIATION |
						       SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(identity->context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_read_ahead(identity->context, 1);
	return SSL_CTX_set_min_proto_version(identity->context, DTLS1_2_VERSION) == 1 &&
	       SSL_CTX_set_cipher_list(identity->context,
				       "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-"
				       "POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384") == 1 &&
	       SSL_CTX_set_tlsext_use_srtp(identity->context, srtp_profiles) == 0;
}

static bool set_up_method(struct dtls_identity *identity)
{
	identity->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "datagrams");
	return identity->method && BIO_meth_set_read(identity->method, link_bio_read) &&
	       BIO_meth_set_write(identity->method, link_bio_write) &&
	       BIO_meth_set_ctrl(identity->method, link_bio_ctrl) &&
	       BIO_meth_set_create(identity->method, link_bio_create);
}

int dtls_identity_new(struct dtls_identity **ret_identity, struct error *reterr)
{
	AUTO(dtls_identity) identity = calloc(1, sizeof(*identity));

	if (!identity)
		return -ENOMEM;
	if (!set_up_context(identity) || !set_up_certificate(identity) || !set_up_method(identity))
		return error_set(reterr, -EIO, "dtls_identity", "OpenSSL failed: %s",
				 openssl_reason());
	*ret_identity = STEAL(identity);
	return 0;
}

struct dtls_identity *dtls_identity_free(struct dtls_identity *identity)
{
	if (!identity)
		return NULL;
	SSL_CTX_free(identity->context);
	BIO_meth_free(identity->method);
	free(identity);
	return NULL;
}

const uint8_t *dtls_identity_fingerprint_sha256(const struct dtls_identity *identity)
{
	return identity->fingerprint_sha256;
}

/* ---- a link ---- */

int dtls_link_new(const struct dtls_identity *identity, enum dtls_role role, dtls_send_fn send,
		  void *data, uint64_t now_us, struct dtls_link **ret_link)
{
	struct dtls_link *link = calloc(1, sizeof(*link));
	BIO *bio;

	if (!link)
		return -ENOMEM;
	link->role = role;
	link->send = send;
	link->data = data;
	link->started_us = now_us;
	link->ssl = SSL_new(identity->context);
	bio = link->ssl ? BIO_new(identity->method) : NULL;
	if (!bio) {
		(void)dtls_link_free(link);
		return -ENOMEM;
	}
	BIO_set_data(bio, link);
	SSL_set_bio(link->ssl, bio, bio);
	SSL_set_mtu(link->ssl, DTLS_DATAGRAM_MAX);
	if (role == DTLS_SERVER)
		SSL_set_accept_state(link->ssl);
	else
		SSL_set_connect_state(link->ssl);
	*ret_link = link;
	return 0;
}

struct dtls_link *dtls_link_free(struct dtls_link *link)
{
	if (!link)
		return NULL;
	SSL_free(link->ssl);
	heap_left_behind();
	explicit_bzero(&link->goodbye, sizeof(link->goodbye));
	free(link);
	return NULL;
}

enum dtls_state dtls_link_state(const struct dtls_link *link)
{
	return link->state;
}

bool dtls_link_has_begun(const struct dtls_link *link)
{
	return link->has_begun;
}

const char *dtls_link_last_reason(const struct dtls_link *link)
{
	return link->last_reason;
}

static int check_fingerprint(struct dtls_link *link, const uint8_t fingerprint_sha256[32],
			     struct error *reterr)
{
	X509 *certificate = SSL_get0_peer_certificate(link->ssl);
	uint8_t digest[32];

	if (!certificate || !X509_digest(certificate, EVP_sha256(), digest, NULL) ||
	    CRYPTO_memcmp(digest, fingerprint_sha256, sizeof(digest)) != 0) {
		link->state = DTLS_FAILED;
		return error_set(reterr, -EKEYREJECTED, "dtls_fingerprint",
				 "the certificate is not the one that the SDP announced");
	}
	link->state = DTLS_CONNECTED;
	return 0;
}

/* One handshake record of epoch 0 that begins a ClientHello (RFC 6347 sections 4.1 and 4.2.2). */
static bool begins_client_hello(const uint8_t *datagram, size_t length)
{
	return length > 13 && datagram[0] == 22 && datagram[3] == 0 && datagram[4] == 0 &&
	       datagram[13] == 1;
}

/* Whoever can write our peer's address can send a first record in its name. Until a hello is taken
 * nothing else is looked at, and one that comes to nothing is forgotten: the peer's own may follow.
 */
static bool pass_over(struct dtls_link *link, const char *reason)
{
	if (link->role != DTLS_SERVER || link->has_begun ||
	    link->hellos_passed_over == HELLOS_PASSED_OVER_MAX)
		return false;
	link->hellos_passed_over++;
	link->last_reason = reason;
	if (SSL_clear(link->ssl) != 1)
		return false;
	SSL_set_accept_state(link->ssl);
	ERR_clear_error();
	return true;
}

static bool has_taken_hello(const SSL *ssl)
{
	OSSL_HANDSHAKE_STATE state = SSL_get_state(ssl);

	return state != TLS_ST_BEFORE && state != TLS_ST_SR_CLNT_HELLO;
}

static int handshake(struct dtls_link *link, const uint8_t fingerprint_sha256[32],
		     struct error *reterr)
{
	int r = SSL_do_handshake(link->ssl);
	const char *reason;

	if (r == 1) {
		(void)SSL_free_buffers(link->ssl); /* what is still in them stays */
		return check_fingerprint(link, fingerprint_sha256, reterr);
	}
	switch (SSL_get_error(link->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		ERR_clear_error();
		link->has_begun = link->has_begun || has_taken_hello(link->ssl);
		return 0;
	default:
		reason = openssl_reason();
		if (pass_over(link, reason))
			return 0;
		link->state = DTLS_FAILED;
		return error_set(reterr, -EPROTO, "dtls_failed", "the DTLS handshake failed: %s",
				 reason);
	}
}

int dtls_link_receive(struct dtls_link *link, const uint8_t *datagram, size_t length,
		      const uint8_t fingerprint_sha256[32], struct error *reterr)
{
	uint8_t ignored[2048];
	int r;

	if (link->state == DTLS_CLOSED || link->state == DTLS_FAILED)
		return 0;
	if (link->role == DTLS_SERVER && !link->has_begun && !begins_client_hello(datagram, length))
		return 0;
	if (!link->ssl) {
		if (dtls_goodbye_is_in(&link->goodbye, datagram, length))
			link->state = DTLS_CLOSED;
		ERR_clear_error();
		return 0;
	}
	ERR_clear_error();
	link->incoming = datagram;
	link->incoming_length = length;
	if (link->state == DTLS_HANDSHAKING) {
		r = handshake(link, fingerprint_sha256, reterr);
		link->incoming = NULL;
		return r;
	}
	/* Connected: a repeated last flight, an alert, or data channels, which are not served. */
	if (SSL_alloc_buffers(link->ssl) != 1)
		return 0; /* no memory: the peer repeats what matters */
	while ((r = SSL_read(link->ssl, ignored, sizeof(ignored))) > 0)
		;
	if (SSL_get_error(link->ssl, r) == SSL_ERROR_ZERO_RETURN)
		link->state = DTLS_CLOSED;
	(void)SSL_free_buffers(link->ssl); /* 32 KiB, for a record or two in a call */
	ERR_clear_error();		   /* a forged record is no reason to end the call */
	link->incoming = NULL;
	return 0;
}

int dtls_link_tick(struct dtls_link *link, uint64_t now_us, struct error *reterr)
{
	struct timeval left;

	if (link->state != DTLS_HANDSHAKING)
		return 0;
	if (now_us - link->started_us > DTLS_GIVE_UP_US) {
		link->state = DTLS_FAILED;
		return error_set(reterr, -ETIMEDOUT, "dtls_timeout",
				 "the DTLS handshake did not finish within 30 s%s%s",
				 link->last_reason ? "; a hello was of no use: " : "",
				 link->last_reason ? link->last_reason : "");
	}
	if (link->role == DTLS_CLIENT && !link->has_begun) {
		link->has_begun = true;
		(void)SSL_do_handshake(link->ssl); /* wants to read: the answer goes on with it */
	} else if (DTLSv1_get_timeout(link->ssl, &left) && left.tv_sec == 0 && left.tv_usec == 0) {
		(void)DTLSv1_handle_timeout(link->ssl); /* a lasting failure ends in the time-out */
	}
	ERR_clear_error();
	return 0;
}

static void keep_own_goodbye(void *data, const uint8_t *datagram, size_t length)
{
	struct dtls_link *link = data;

	if (length > sizeof(link->own_goodbye))
		return;
	memcpy(link->own_goodbye, datagram, length);
	link->own_goodbye_length = length;
}

static void say_goodbye(struct dtls_link *link)
{
	if (SSL_alloc_buffers(link->ssl) == 1)
		(void)SSL_shutdown(link->ssl); /* the answer is not waited for */
	ERR_clear_error();
}

void dtls_link_settle(struct dtls_link *link)
{
	const dtls_send_fn send = link->send;
	void *const data = link->data;

	assert(link->role == DTLS_SERVER);
	if (!link->ssl || link->state != DTLS_CONNECTED ||
	    dtls_goodbye_init(&link->goodbye, link->ssl) < 0)
		return;
	link->send = keep_own_goodbye;
	link->data = link;
	say_goodbye(link);
	link->send = send;
	link->data = data;
	SSL_free(link->ssl);
	link->ssl = NULL;
	heap_left_behind();
}

void dtls_link_close(struct dtls_link *link)
{
	if (link->state != DTLS_CONNECTED)
		return;
	if (link->ssl)
		say_goodbye(link);
	else if (link->own_goodbye_length > 0)
		link->send(link->data, link->own_goodbye, link->own_goodbye_length);
	link->state = DTLS_CLOSED;
}

int dtls_link_media_crypto(struct dtls_link *link, struct media_crypto **ret_receive,
			   struct media_crypto **ret_send, struct error *reterr)
{
	AUTO(media_crypto) receive = NULL;
	AUTO(media_crypto) send = NULL;
	struct media_crypto **client, **server;
	SRTP_PROTECTION_PROFILE *profile = SSL_get_selected_srtp_profile(link->ssl);
	uint8_t material[2 * (SRTP_KEY_MAX + SRTP_SALT_MAX)];
	size_t key_bytes, salt_bytes;
	enum srtp_suite suite;
	int r;

	if (!profile)
		return error_set(reterr, -EPROTO, "no_srtp_profile", "the peer offers none of %s",
				 srtp_profiles);
	suite = (enum srtp_suite)profile->id;
	key_bytes = srtp_suite_key_bytes(suite);
	salt_bytes = srtp_suite_salt_bytes(suite);
	if (SSL_export_keying_material(link->ssl, material, 2 * (key_bytes + salt_bytes),
				       "EXTRACTOR-dtls_srtp", 19, NULL, 0, 0) != 1)
		return error_set(reterr, -EPROTO, "dtls_failed", "no key material: %s",
				 openssl_reason());
	/* client key, server key, client salt, server salt */
	client = link->role == DTLS_SERVER ? &receive : &send;
	server = link->role == DTLS_SERVER ? &send : &receive;
	r = media_crypto_new(suite, material, material + 2 * key_bytes, client);
	if (r == 0)
		r = media_crypto_new(suite, material + key_bytes,
				     material + 2 * key_bytes + salt_bytes, server);
	explicit_bzero(material, sizeof(material));
	if (r < 0)
		return r;
	*ret_receive = STEAL(receive);
	*ret_send = STEAL(send);
	return 0;
}
