#include "tests/bench/load_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/cursor.h"
#include "core/id.h"
#include "sfu/wire/rtp.h"

enum { BATCH = 64, HANDSHAKE_US = 5000000 };

int load_peer_init(struct load_peer *peer, const struct dtls_identity *identity)
{
	const int buffer = 4 << 20;

	*peer = (struct load_peer){.identity = identity};
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (peer->fd < 0)
		return -errno;
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	id_random_chars(peer->ufrag, 8);
	id_random_chars(peer->password, 24);
	random_bytes(&peer->ssrc, sizeof(peer->ssrc));
	return 0;
}

void load_peer_fini(struct load_peer *peer)
{
	if (peer->link)
		dtls_link_close(peer->link);
	peer->link = dtls_link_free(peer->link);
	peer->in = media_crypto_free(peer->in);
	peer->out = media_crypto_free(peer->out);
	if (peer->fd >= 0)
		(void)close(peer->fd);
	peer->fd = -1;
}

char *load_peer_offer(const struct load_peer *peer, size_t receive_count)
{
	size_t count = receive_count ? receive_count : 1;
	AUTO(sdp) offer = sdp_new(count, 0);

	if (!offer)
		return NULL;
	memcpy(offer->ice_ufrag, peer->ufrag, sizeof(peer->ufrag));
	memcpy(offer->ice_password, peer->password, sizeof(peer->password));
	memcpy(offer->fingerprint_sha256, dtls_identity_fingerprint_sha256(peer->identity), 32);
	offer->has_fingerprint = true;
	offer->setup = SETUP_ACTPASS;
	for (size_t i = 0; i < count; i++) {
		struct sdp_media *media = &offer->media[i];

		media->kind = MEDIA_VIDEO;
		(void)snprintf(media->mid, sizeof(media->mid), "%u", (unsigned)i);
		media->rtcp_mux = true;
		media->direction = receive_count ? DIRECTION_RECEIVE : DIRECTION_SEND;
		media->codecs[0] = (struct sdp_codec){.payload_type = LOAD_VP8,
						      .name = "VP8",
						      .clock_rate_hz = 90000,
						      .apt = -1,
						      .nack = true,
						      .nack_pli = true};
		media->codecs[1] = (struct sdp_codec){.payload_type = LOAD_RTX,
						      .name = "rtx",
						      .clock_rate_hz = 90000,
						      .apt = LOAD_VP8,
						      .fmtp = "apt=96"};
		media->codec_count = 2;
		if (!receive_count) {
			media->ssrcs[0] = peer->ssrc;
			media->ssrc_count = 1;
			memcpy(media->cname, "load", 5);
		}
	}
	return sdp_format(offer);
}

/* ---- connecting ---- */

static void write_attribute(struct writer *writer, uint16_t type, const void *value, size_t length)
{
	static const uint8_t zeros[4];

	write_u16(writer, type);
	write_u16(writer, (uint16_t)length);
	write_bytes(writer, value, length);
	write_bytes(writer, zeros, (4 - length % 4) % 4);
}

static uint32_t crc32_of(const uint8_t *bytes, size_t length)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < length; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

/* A Binding request with USE-CANDIDATE (RFC 8445 section 7.1). */
static void send_check(const struct load_peer *peer)
{
	static const uint8_t priority[4] = {0x7e, 0xff, 0xff, 0xff};
	uint8_t bytes[512], digest[20], tie_breaker[8], transaction[12];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	char username[128];
	unsigned digest_bytes = sizeof(digest);
	uint32_t fingerprint;

	random_bytes(tie_breaker, sizeof(tie_breaker));
	random_bytes(transaction, sizeof(transaction));
	(void)snprintf(username, sizeof(username), "%s:%s", peer->remote_ufrag, peer->ufrag);
	write_u16(&writer, 0x0001);
	write_u16(&writer, 0);
	write_u32(&writer, 0x2112a442);
	write_bytes(&writer, transaction, sizeof(transaction));
	write_attribute(&writer, 0x0006, username, strlen(username));
	write_attribute(&writer, 0x0024, priority, sizeof(priority));
	write_attribute(&writer, 0x802a, tie_breaker, sizeof(tie_breaker));
	write_attribute(&writer, 0x0025, NULL, 0);
	bytes[3] = (uint8_t)(writer.offset - 20 + 24);
	bytes[2] = (uint8_t)((writer.offset - 20 + 24) >> 8);
	(void)HMAC(EVP_sha1(), peer->remote_password, (int)strlen(peer->remote_password), bytes,
		   writer.offset, digest, &digest_bytes);
	write_attribute(&writer, 0x0008, digest, sizeof(digest));
	bytes[3] = (uint8_t)(writer.offset - 20 + 8);
	bytes[2] = (uint8_t)((writer.offset - 20 + 8) >> 8);
	fingerprint = htonl(crc32_of(bytes, writer.offset) ^ 0x5354554e);
	write_attribute(&writer, 0x8028, &fingerprint, sizeof(fingerprint));
	(void)send(peer->fd, bytes, writer.offset, 0); /* lost ones are repeated */
}

static void send_dtls(void *data, const uint8_t *datagram, size_t length)
{
	(void)send(((struct load_peer *)data)->fd, datagram, length, 0);
}

static bool wait_readable(const struct load_peer *peer, int timeout_ms)
{
	struct pollfd readable = {.fd = peer->fd, .events = POLLIN};

	return poll(&readable, 1, timeout_ms) > 0;
}

/* The SFU's ICE and DTLS, and one candidate on the loopback. */
static int read_answer(struct load_peer *peer, const char *answer)
{
	AUTO(sdp) sdp = NULL;
	struct error error;
	const char *at;
	unsigned port;

	if (sdp_parse(answer, strlen(answer), &sdp, &error) < 0)
		return -EPROTO;
	(void)snprintf(peer->remote_ufrag, sizeof(peer->remote_ufrag), "%.63s", sdp->ice_ufrag);
	(void)snprintf(peer->remote_password, sizeof(peer->remote_password), "%.63s",
		       sdp->ice_password);
	memcpy(peer->remote_fingerprint_sha256, sdp->fingerprint_sha256, 32);
	peer->receive_ssrc = sdp->media[0].ssrcs[0];
	peer->receive_rtx_ssrc = sdp->media[0].rtx_ssrcs[0];
	at = strstr(answer, " 127.0.0.1 ");
	if (!at || sscanf(at, " 127.0.0.1 %u", &port) != 1)
		return -EPROTO;
	peer->sfu = (struct sockaddr_in){.sin_family = AF_INET,
					 .sin_port = htons((uint16_t)port),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	return connect(peer->fd, (const struct sockaddr *)&peer->sfu, sizeof(peer->sfu)) < 0
		       ? -errno
		       : 0;
}

static int receive_handshake(struct load_peer *peer)
{
	uint8_t bytes[2048];
	ssize_t got = recv(peer->fd, bytes, sizeof(bytes), 0);

	if (got <= 0)
		return 0;
	if (packet_kind_of(bytes, (size_t)got) == PACKET_DTLS)
		return dtls_link_receive(peer->link, bytes, (size_t)got,
					 peer->remote_fingerprint_sha256, NULL);
	if (packet_kind_of(bytes, (size_t)got) == PACKET_STUN && !peer->link)
		return dtls_link_new(peer->identity, DTLS_CLIENT, send_dtls, peer, clock_now_us(),
				     &peer->link);
	return 0;
}

int load_peer_connect(struct load_peer *peer, const char *answer)
{
	uint64_t started_us = clock_now_us();
	int r = read_answer(peer, answer);

	while (r == 0 && (!peer->link || dtls_link_state(peer->link) == DTLS_HANDSHAKING)) {
		if (clock_now_us() - started_us > HANDSHAKE_US)
			return -ETIMEDOUT;
		if (!peer->link)
			send_check(peer);
		else
			r = dtls_link_tick(peer->link, clock_now_us(), NULL);
		if (r == 0 && wait_readable(peer, 50))
			r = receive_handshake(peer);
	}
	return r < 0 ? r : dtls_link_media_crypto(peer->link, &peer->in, &peer->out, NULL);
}

/* ---- media ---- */

void load_peer_publish(struct load_peer *peer, size_t length, bool marker)
{
	uint8_t packet[2048],
		payload[2048] = {
			0x10}; /* S=1, then a frame's first byte: bit 0 clear in a keyframe */
	uint64_t now_us = clock_now_us();
	int protected_bytes;

	payload[1] = peer->sends_deltas;
	memcpy(payload + 2, &now_us, sizeof(now_us));
	rtp_header_encode(packet, LOAD_VP8, marker, false, false, peer->sequence_number++,
			  (uint32_t)(now_us * 9 / 100), peer->ssrc);
	protected_bytes =
		media_crypto_protect_rtp(peer->out, packet, sizeof(packet), RTP_HEADER_BYTES, NULL,
					 0, payload, length - RTP_HEADER_BYTES - 16);
	if (protected_bytes > 0)
		(void)send(peer->fd, packet, (size_t)protected_bytes, 0);
}

void load_peer_send_rtcp(struct load_peer *peer, uint8_t *packet, size_t length, size_t capacity)
{
	int protected_bytes = media_crypto_protect_rtcp(peer->out, packet, length, capacity);

	if (protected_bytes > 0)
		(void)send(peer->fd, packet, (size_t)protected_bytes, 0);
}

size_t load_peer_receive(struct load_peer *peer, int timeout_ms, uint8_t *packet)
{
	uint64_t until_us = clock_now_us() + (uint64_t)timeout_ms * 1000u;

	while (clock_now_us() < until_us) {
		enum packet_kind kind;
		size_t length;
		ssize_t got;

		if (!wait_readable(peer, 10) || (got = recv(peer->fd, packet, 2048, 0)) <= 0)
			continue;
		length = (size_t)got;
		kind = packet_kind_of(packet, length);
		if ((kind == PACKET_RTP &&
		     media_crypto_unprotect_rtp(peer->in, packet, &length) == 0) ||
		    (kind == PACKET_RTCP &&
		     media_crypto_unprotect_rtcp(peer->in, packet, &length) == 0))
			return length;
	}
	return 0;
}

int load_peer_drain(struct load_peer *peer, uint64_t *ret_sent_us)
{
	static uint8_t packets[BATCH][2048];
	struct mmsghdr messages[BATCH] = {0};
	struct iovec iovecs[BATCH];
	struct rtp_header header;
	int count, media = 0;
	size_t length;

	*ret_sent_us = 0;
	for (int i = 0; i < BATCH; i++) {
		iovecs[i] = (struct iovec){.iov_base = packets[i], .iov_len = sizeof(packets[i])};
		messages[i].msg_hdr.msg_iov = &iovecs[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(peer->fd, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		media += packet_kind_of(packets[i], messages[i].msg_len) == PACKET_RTP;
	if (count <= 0 ||
	    packet_kind_of(packets[count - 1], messages[count - 1].msg_len) != PACKET_RTP)
		return media;
	length = messages[count - 1].msg_len;
	if (media_crypto_unprotect_rtp(peer->in, packets[count - 1], &length) == 0 &&
	    rtp_header_decode(packets[count - 1], length, false, &header) == 0 &&
	    length >= header.header_bytes + 10u)
		memcpy(ret_sent_us, packets[count - 1] + header.header_bytes + 2, 8);
	return media;
}
