/* Two ends of DTLS of OpenSSL's own, in one process: what it seals is what we open. */
#include <errno.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "sfu/edge/dtls_goodbye.h"
#include "tests/unit/cmocka_all.h"

enum { DATAGRAM_MAX = 2048 };

struct ends {
	SSL_CTX *context;
	SSL *server, *client;
	BIO *to_server, *to_client;
};

static void set_up_certificate(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();

	assert_true(X509_set_pubkey(certificate, key) &&
		    X509_gmtime_adj(X509_getm_notBefore(certificate), 0) &&
		    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) &&
		    X509_sign(certificate, key, EVP_sha256()));
	assert_int_equal(SSL_CTX_use_certificate(context, certificate), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static struct ends connected(const char *cipher)
{
	struct ends ends = {.context = SSL_CTX_new(DTLS_method())};

	assert_non_null(ends.context);
	set_up_certificate(ends.context);
	assert_int_equal(SSL_CTX_set_cipher_list(ends.context, cipher), 1);
	SSL_CTX_set_read_ahead(ends.context, 1);
	(void)SSL_CTX_set_options(ends.context, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
	ends.server = SSL_new(ends.context);
	ends.client = SSL_new(ends.context);
	ends.to_server = BIO_new(BIO_s_mem());
	ends.to_client = BIO_new(BIO_s_mem());
	(void)BIO_set_mem_eof_return(ends.to_server, -1);
	(void)BIO_set_mem_eof_return(ends.to_client, -1);
	(void)BIO_up_ref(ends.to_server);
	(void)BIO_up_ref(ends.to_client);
	SSL_set_bio(ends.server, ends.to_server, ends.to_client);
	SSL_set_bio(ends.client, ends.to_client, ends.to_server);
	(void)SSL_set_mtu(ends.server, DATAGRAM_MAX);
	(void)SSL_set_mtu(ends.client, DATAGRAM_MAX);
	SSL_set_accept_state(ends.server);
	SSL_set_connect_state(ends.client);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(ends.client);
		(void)SSL_do_handshake(ends.server);
	}
	assert_true(SSL_is_init_finished(ends.server) && SSL_is_init_finished(ends.client));
	return ends;
}

static void disconnect(struct ends *ends)
{
	SSL_free(ends->server);
	SSL_free(ends->client);
	SSL_CTX_free(ends->context);
}

static const char *const ciphers[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
				      "ECDHE-ECDSA-AES256-GCM-SHA384",
				      "ECDHE-ECDSA-CHACHA20-POLY1305"};

static void goodbye_is_known_under_each_cipher(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
		struct ends ends = connected(ciphers[i]);
		struct dtls_goodbye goodbye;
		uint8_t datagrams[2 * DATAGRAM_MAX], copy[DATAGRAM_MAX];
		size_t speech, length;

		assert_int_equal(dtls_goodbye_init(&goodbye, ends.server), 0);
		/* What the client says otherwise is no goodbye. */
		assert_int_equal(SSL_write(ends.client, "hi", 2), 2);
		speech = (size_t)BIO_read(ends.to_server, datagrams, DATAGRAM_MAX);
		assert_in_range(speech, 13, DATAGRAM_MAX);
		assert_false(dtls_goodbye_is_in(&goodbye, datagrams, speech));
		(void)SSL_shutdown(ends.client);
		length = (size_t)BIO_read(ends.to_server, copy, sizeof(copy));
		assert_in_range(length, 13, 64);
		assert_true(dtls_goodbye_is_in(&goodbye, copy, length));
		/* Nor is it anything but the whole of it, as it was sent. */
		for (size_t at = 0; at < length; at++) {
			assert_false(dtls_goodbye_is_in(&goodbye, copy, at));
			copy[at] ^= 1;
			assert_false(dtls_goodbye_is_in(&goodbye, copy, length));
			copy[at] ^= 1;
		}
		/* Behind another record. */
		memcpy(datagrams + speech, copy, length);
		assert_true(dtls_goodbye_is_in(&goodbye, datagrams, speech + length));
		disconnect(&ends);
	}
}

/* The keys are the client's: what the server itself has said, sent back to it, is not heard. */
static void an_echo_is_no_goodbye(void **state)
{
	struct ends ends = connected(ciphers[0]);
	struct dtls_goodbye goodbye;
	uint8_t datagram[DATAGRAM_MAX];
	int length;

	(void)state;
	assert_int_equal(dtls_goodbye_init(&goodbye, ends.server), 0);
	(void)SSL_shutdown(ends.server);
	length = BIO_read(ends.to_client, datagram, sizeof(datagram));
	assert_true(length > 13);
	assert_false(dtls_goodbye_is_in(&goodbye, datagram, (size_t)length));
	disconnect(&ends);
}

static void other_ciphers_are_left_to_openssl(void **state)
{
	struct ends ends = connected("ECDHE-ECDSA-AES128-SHA256");
	struct dtls_goodbye goodbye;

	(void)state;
	assert_int_equal(dtls_goodbye_init(&goodbye, ends.server), -ENOTSUP);
	disconnect(&ends);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goodbye_is_known_under_each_cipher),
		cmocka_unit_test(an_echo_is_no_goodbye),
		cmocka_unit_test(other_ciphers_are_left_to_openssl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
