#include <stdint.h>
#include <string.h>

#include "sfu/edge/dtls_link.h"

enum { QUEUE_MAX = 16, DATAGRAM_MAX = 2048, SETTLED = 4 };

struct queue {
	size_t count, lengths[QUEUE_MAX];
	uint8_t datagrams[QUEUE_MAX][DATAGRAM_MAX];
};

static struct dtls_identity *server_identity, *client_identity; /* kept: libFuzzer calls for ever */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void enqueue(void *data, const uint8_t *datagram, size_t length)
{
	struct queue *queue = data;

	if (length > DATAGRAM_MAX)
		__builtin_trap();
	if (queue->count == QUEUE_MAX)
		return;
	memcpy(queue->datagrams[queue->count], datagram, length);
	queue->lengths[queue->count++] = length;
}

static void deliver(struct queue *from, struct dtls_link *to, const uint8_t fingerprint[32])
{
	struct queue taken = *from;

	from->count = 0;
	for (size_t i = 0; i < taken.count; i++) {
		int r = dtls_link_receive(to, taken.datagrams[i], taken.lengths[i], fingerprint,
					  NULL);

		if (r < 0)
			return;
	}
}

static const uint8_t *fingerprint_of(const struct dtls_identity *identity)
{
	return dtls_identity_fingerprint_sha256(identity);
}

/* A server gets these bytes before an honest client's first datagram, after `steps` turns of an
 * honest handshake, or once it has settled (SETTLED). Input: which, then the datagram. */
static void handshake(unsigned steps, const uint8_t *data, size_t size)
{
	static struct queue up, down;
	struct dtls_link *server = NULL, *client = NULL;
	int r;

	up.count = down.count = 0;
	if (dtls_link_new(server_identity, DTLS_SERVER, enqueue, &down, 0, &server) < 0 ||
	    dtls_link_new(client_identity, DTLS_CLIENT, enqueue, &up, 0, &client) < 0)
		goto out;
	r = dtls_link_tick(client, 1, NULL);
	for (unsigned turn = 0; r == 0 && turn < 6; turn++) {
		if (turn == steps)
			(void)!dtls_link_receive(server, data, size,
						 fingerprint_of(client_identity), NULL);
		deliver(&up, server, fingerprint_of(client_identity));
		deliver(&down, client, fingerprint_of(server_identity));
	}
	if (dtls_link_state(server) == DTLS_CONNECTED) {
		struct media_crypto *in = NULL, *out = NULL;

		(void)!dtls_link_media_crypto(server, &in, &out, NULL);
		(void)media_crypto_free(in);
		(void)media_crypto_free(out);
		dtls_link_settle(server);
		if (steps == SETTLED)
			(void)!dtls_link_receive(server, data, size,
						 fingerprint_of(client_identity), NULL);
		if (dtls_link_state(server) == DTLS_CLOSED && steps == SETTLED)
			__builtin_trap(); /* nobody can have guessed the keys */
	}
out:
	(void)dtls_link_free(client);
	(void)dtls_link_free(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > DATAGRAM_MAX)
		return 0;
	if (!server_identity && (dtls_identity_new(&server_identity, NULL) < 0 ||
				 dtls_identity_new(&client_identity, NULL) < 0))
		return 0;
	handshake(data[0] % (SETTLED + 1), data + 1, size - 1);
	return 0;
}
