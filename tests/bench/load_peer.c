#include "tests/bench/load_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/cursor.h"
#include "core/id.h"
#include "sfu/wire/rtcp.h"
#include "sfu/wire/rtp.h"

enum { HANDSHAKE_US = 5000000, CHECK_US = 50000, FIRST_CHECKS_US = 8000, TRANSPORT_CC_ID = 3 };

int load_peer_init(struct load_peer *peer, const struct dtls_identity *identity)
{
	const int buffer = 4 << 20, on = 1;

	*peer = (struct load_peer){.identity = identity, .video = LOAD_VP8};
	peer->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (peer->fd < 0)
		return -errno;
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	(void)setsockopt(peer->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	id_random_chars(peer->ufrag, 8);
	id_random_chars(peer->password, 24);
	random_bytes(&peer->ssrc, sizeof(peer->ssrc));
	random_bytes(&peer->audio_ssrc, sizeof(peer->audio_ssrc));
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

/* The address of this machine that the world would see; the loopback if it has no other. */
static void own_address(char text[static INET_ADDRSTRLEN])
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)inet_pton(AF_INET, "203.0.113.1", &address.sin_addr); /* nothing is sent there */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0)
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	(void)inet_ntop(AF_INET, &address.sin_addr, text, INET_ADDRSTRLEN);
	(void)close(fd);
}

/* A full agent (Janus) wants to know one address of ours, even if it only ever answers; and not the
 * loopback. */
static void name_candidate(const struct load_peer *peer, struct sdp *sdp)
{
	struct sockaddr_in local = {.sin_family = AF_INET};
	socklen_t length = sizeof(local);

	free(sdp->candidates);
	sdp->candidates = calloc(1, sizeof(*sdp->candidates));
	sdp->candidate_count = sdp->candidates ? 1 : 0;
	if (!sdp->candidates)
		return;
	(void)bind(peer->fd, (const struct sockaddr *)&local, sizeof(local));
	(void)getsockname(peer->fd, (struct sockaddr *)&local, &length);
	sdp->candidates[0] = (struct sdp_candidate){
		.port = ntohs(local.sin_port), .priority = 2130706431, .foundation = 1};
	own_address(sdp->candidates[0].address);
}

static void describe_us(const struct load_peer *peer, struct sdp *sdp)
{
	name_candidate(peer, sdp);
	memcpy(sdp->ice_ufrag, peer->ufrag, sizeof(peer->ufrag));
	memcpy(sdp->ice_password, peer->password, sizeof(peer->password));
	memcpy(sdp->fingerprint_sha256, dtls_identity_fingerprint_sha256(peer->identity), 32);
	sdp->has_fingerprint = true;
}

static int describe_video(const struct load_peer *peer, struct sdp *sdp, struct sdp_media *media)
{
	struct sdp_codec codec = {.payload_type = peer->video,
				  .name = "VP8",
				  .clock_rate_hz = 90000,
				  .apt = -1,
				  .nack = true,
				  .nack_pli = true,
				  .transport_cc = peer->with_transport_cc};
	struct sdp_codec rtx = {.payload_type = LOAD_RTX,
				.name = "rtx",
				.clock_rate_hz = 90000,
				.apt = peer->video,
				.fmtp = "apt=96"};
	int r;

	if (peer->video == LOAD_VP9) {
		memcpy(codec.name, "VP9", sizeof("VP9"));
		codec.fmtp = "profile-id=0";
		rtx.fmtp = "apt=98";
	} else if (peer->video == LOAD_AV1) {
		memcpy(codec.name, "AV1", sizeof("AV1"));
		rtx.fmtp = "apt=45";
		media->extension_ids[EXTENSION_DEPENDENCY_DESCRIPTOR] = LOAD_DEPENDENCY_ID;
		sdp->extmap_allow_mixed = true; /* a structure takes more than 16 bytes */
	}
	media->kind = MEDIA_VIDEO;
	r = sdp_media_add_codec(media, &codec);
	return r < 0 || peer->without_rtx ? r : sdp_media_add_codec(media, &rtx);
}

static int describe_audio(struct sdp_media *media, bool with_transport_cc)
{
	const struct sdp_codec opus = {.payload_type = LOAD_OPUS,
				       .name = "opus",
				       .clock_rate_hz = 48000,
				       .channels = 2,
				       .apt = -1,
				       .transport_cc = with_transport_cc};

	media->kind = MEDIA_AUDIO;
	return sdp_media_add_codec(media, &opus);
}

/* The layers of the last section (a=ssrc-group:SIM), which names them; `offer` is realloc()ed. */
static char *name_layers(const struct load_peer *peer, char *offer)
{
	AUTO_FREE char *before = offer;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!offer || !out)
		return NULL;
	(void)fprintf(out, "%sa=ssrc-group:SIM", before);
	for (uint32_t i = 0; i < peer->layer_count; i++)
		(void)fprintf(out, " %u", peer->ssrc + i);
	(void)fputs("\r\n", out);
	return fclose(out) == 0 ? text : NULL;
}

char *load_peer_offer(const struct load_peer *peer, size_t receive_count)
{
	size_t step = peer->with_audio ? 2 : 1;
	size_t count = (receive_count ? receive_count : 1) * step;
	AUTO(sdp) offer = sdp_new(count, 0);

	if (!offer)
		return NULL;
	describe_us(peer, offer);
	offer->setup = SETUP_ACTPASS;
	for (size_t i = 0; i < count; i++) {
		struct sdp_media *media = &offer->media[i];
		bool is_audio = peer->with_audio && i % 2 == 0;

		int r = is_audio ? describe_audio(media, peer->with_transport_cc)
				 : describe_video(peer, offer, media);

		if (r < 0 || (!receive_count && sdp_set_text(&media->cname, "load") < 0))
			return NULL;
		(void)snprintf(media->mid, sizeof(media->mid), "%u", (unsigned)i);
		media->rtcp_mux = true;
		media->direction = receive_count ? DIRECTION_RECEIVE : DIRECTION_SEND;
		if (peer->with_transport_cc) {
			media->extension_ids[EXTENSION_TRANSPORT_CC] = TRANSPORT_CC_ID;
		}
		if (is_audio && peer->with_levels)
			media->extension_ids[EXTENSION_AUDIO_LEVEL] = LOAD_LEVEL_ID;
		if (!receive_count) {
			media->ssrcs[0] = is_audio ? peer->audio_ssrc : peer->ssrc;
			media->ssrc_count = 1;
		}
	}
	return !receive_count && peer->layer_count ? name_layers(peer, sdp_format(offer))
						   : sdp_format(offer);
}

char *load_peer_answer(const struct load_peer *peer, const char *offer)
{
	AUTO(sdp) answer = NULL;
	struct error error;

	if (sdp_parse(offer, strlen(offer), &answer, &error) < 0)
		return NULL;
	describe_us(peer, answer);
	answer->ice_lite = false;
	answer->setup = SETUP_ACTIVE;
	for (size_t i = 0; i < answer->media_count; i++) {
		struct sdp_media *media = &answer->media[i];

		media->direction = DIRECTION_RECEIVE;
		media->ssrc_count = media->layer_ssrc_count = media->rid_count = 0;
		if (sdp_set_text(&media->msid_stream, NULL) < 0 ||
		    sdp_set_text(&media->msid_track, NULL) < 0)
			return NULL;
	}
	return sdp_format(answer);
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

/* MESSAGE-INTEGRITY and FINGERPRINT, and off it goes; lost ones are repeated. */
static void seal_and_send(const struct load_peer *peer, uint8_t *bytes, struct writer *writer,
			  const char *password)
{
	uint8_t digest[20];
	unsigned digest_bytes = sizeof(digest);
	uint32_t fingerprint;

	bytes[3] = (uint8_t)(writer->offset - 20 + 24);
	bytes[2] = (uint8_t)((writer->offset - 20 + 24) >> 8);
	(void)HMAC(EVP_sha1(), password, (int)strlen(password), bytes, writer->offset, digest,
		   &digest_bytes);
	write_attribute(writer, 0x0008, digest, sizeof(digest));
	bytes[3] = (uint8_t)(writer->offset - 20 + 8);
	bytes[2] = (uint8_t)((writer->offset - 20 + 8) >> 8);
	fingerprint = htonl(crc32_of(bytes, writer->offset) ^ 0x5354554e);
	write_attribute(writer, 0x8028, &fingerprint, sizeof(fingerprint));
	(void)send(peer->fd, bytes, writer->offset, 0);
}

/* A Binding request (RFC 8445 section 7.1). */
void load_peer_check(const struct load_peer *peer, uint32_t priority, bool is_nominating)
{
	uint32_t network_priority = htonl(priority);
	uint8_t bytes[512], tie_breaker[8], transaction[12];
	struct writer writer = writer_over(bytes, sizeof(bytes));
	char username[128];

	random_bytes(tie_breaker, sizeof(tie_breaker));
	random_bytes(transaction, sizeof(transaction));
	(void)snprintf(username, sizeof(username), "%s:%s", peer->remote_ufrag, peer->ufrag);
	write_u16(&writer, 0x0001);
	write_u16(&writer, 0);
	write_u32(&writer, 0x2112a442);
	write_bytes(&writer, transaction, sizeof(transaction));
	write_attribute(&writer, 0x0006, username, strlen(username));
	write_attribute(&writer, 0x0024, &network_priority, sizeof(network_priority));
	write_attribute(&writer, 0x802a, tie_breaker, sizeof(tie_breaker));
	if (is_nominating) /* USE-CANDIDATE */
		write_attribute(&writer, 0x0025, NULL, 0);
	seal_and_send(peer, bytes, &writer, peer->remote_password);
}

static void answer_check(const struct load_peer *peer, const uint8_t *request)
{
	uint8_t bytes[256], mapped[8] = {0, 1};
	struct writer writer = writer_over(bytes, sizeof(bytes));
	uint16_t port = htons(ntohs(peer->sfu.sin_port) ^ 0x2112);
	uint32_t address = peer->sfu.sin_addr.s_addr ^ htonl(0x2112a442);

	memcpy(mapped + 2, &port, sizeof(port));
	memcpy(mapped + 4, &address, sizeof(address));
	write_u16(&writer, 0x0101);
	write_u16(&writer, 0);
	write_bytes(&writer, request + 4, 16); /* cookie and transaction */
	write_attribute(&writer, 0x0020, mapped, sizeof(mapped));
	seal_and_send(peer, bytes, &writer, peer->password);
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

/* Where the other side listens: its first candidate for UDP over IPv4, or IPv6. */
static int read_candidate(const char *text, int family, void *ret_address, in_port_t *ret_port)
{
	for (const char *at = strstr(text, "a=candidate:"); at;
	     at = strstr(at + 1, "a=candidate:")) {
		char protocol[8], address[64];
		unsigned port;

		if (sscanf(at, "a=candidate:%*s %*u %7s %*u %63s %u", protocol, address, &port) ==
			    3 &&
		    strcasecmp(protocol, "udp") == 0 &&
		    inet_pton(family, address, ret_address) == 1) {
			*ret_port = htons((uint16_t)port);
			return 0;
		}
	}
	return -EPROTO;
}

static int open_way_by_ipv4(struct load_peer *peer, const char *text)
{
	peer->sfu = (struct sockaddr_in){.sin_family = AF_INET};
	if (read_candidate(text, AF_INET, &peer->sfu.sin_addr, &peer->sfu.sin_port) < 0)
		return -EPROTO;
	return connect(peer->fd, (const struct sockaddr *)&peer->sfu, sizeof(peer->sfu)) < 0
		       ? -errno
		       : 0;
}

/* With a socket in the place of the one that there was. */
static int open_way_by_ipv6(struct load_peer *peer, const char *text)
{
	struct sockaddr_in6 sfu = {.sin6_family = AF_INET6};

	if (read_candidate(text, AF_INET6, &sfu.sin6_addr, &sfu.sin6_port) < 0)
		return -EPROTO;
	(void)close(peer->fd);
	peer->fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return peer->fd < 0 || connect(peer->fd, (const struct sockaddr *)&sfu, sizeof(sfu)) < 0
		       ? -errno
		       : 0;
}

static void read_media(struct load_peer *peer, const struct sdp_media *media)
{
	uint8_t id = media->extension_ids[EXTENSION_TRANSPORT_CC];

	if (id && media->kind == MEDIA_AUDIO)
		peer->audio_transport_cc_id = id;
	else if (id)
		peer->transport_cc_id = id;
	for (size_t i = 0; i < media->codec_count; i++)
		if (media->codecs[i].apt >= 0)
			peer->rtx_payload_types[media->codecs[i].payload_type / 64] |=
				1ull << media->codecs[i].payload_type % 64;
}

/* What the other side says of itself: ICE, DTLS, and what it sends under which numbers. */
static int read_remote(struct load_peer *peer, const char *text)
{
	AUTO(sdp) sdp = NULL;
	struct error error;

	if (sdp_parse(text, strlen(text), &sdp, &error) < 0)
		return -EPROTO;
	(void)snprintf(peer->remote_ufrag, sizeof(peer->remote_ufrag), "%.63s", sdp->ice_ufrag);
	(void)snprintf(peer->remote_password, sizeof(peer->remote_password), "%.63s",
		       sdp->ice_password);
	memcpy(peer->remote_fingerprint_sha256, sdp->fingerprint_sha256, 32);
	peer->receive_ssrc = sdp->media[0].ssrcs[0];
	peer->receive_rtx_ssrc = sdp->media[0].rtx_ssrcs[0];
	peer->dtls_role = sdp->setup == SETUP_ACTIVE ? DTLS_SERVER : DTLS_CLIENT;
	for (size_t i = 0; i < sdp->media_count; i++)
		read_media(peer, &sdp->media[i]);
	return peer->over_ipv6 ? open_way_by_ipv6(peer, text) : open_way_by_ipv4(peer, text);
}

static int receive_handshake(struct load_peer *peer)
{
	uint8_t bytes[2048];
	ssize_t got = recv(peer->fd, bytes, sizeof(bytes), 0);

	if (got <= 0)
		return 0;
	if (got >= 20 && bytes[0] == 0 && bytes[1] == 1) {
		answer_check(peer, bytes);
		peer->was_checked = true;
	} else if (peer->link && packet_kind_of(bytes, (size_t)got) == PACKET_DTLS) {
		return dtls_link_receive(peer->link, bytes, (size_t)got,
					 peer->remote_fingerprint_sha256, NULL);
	}
	if (!peer->link && packet_kind_of(bytes, (size_t)got) == PACKET_STUN &&
	    (peer->was_checked || !peer->is_checked))
		return dtls_link_new(peer->identity, peer->dtls_role, send_dtls, peer,
				     clock_now_us(), &peer->link);
	return 0;
}

int load_peer_connect(struct load_peer *peer, const char *remote)
{
	uint64_t started_us = clock_now_us(), checked_us = 0;
	int r = read_remote(peer, remote);

	while (r == 0 && (!peer->link || dtls_link_state(peer->link) == DTLS_HANDSHAKING)) {
		if (clock_now_us() - started_us > HANDSHAKE_US)
			return -ETIMEDOUT;
		if (clock_now_us() - checked_us > (peer->link ? CHECK_US : FIRST_CHECKS_US)) {
			checked_us = clock_now_us();
			load_peer_check(peer, LOAD_PRIORITY,
					true); /* Janus forgets one that came before it was ready */
		}
		if (peer->link)
			r = dtls_link_tick(peer->link, clock_now_us(), NULL);
		if (r == 0 && wait_readable(peer, peer->link ? 50 : 4))
			r = receive_handshake(peer);
	}
	return r < 0 ? r : dtls_link_media_crypto(peer->link, &peer->in, &peer->out, NULL);
}

/* ---- media ---- */

/* One packet of `length` bytes in all, with the time in it, two bytes into its payload. */
static void publish(struct load_peer *peer, uint8_t payload_type, bool marker, uint32_t ssrc,
		    uint16_t sequence_number, const uint8_t start[2], size_t length)
{
	uint8_t packet[2048], payload[2048] = {start[0], start[1]};
	uint64_t now_us = clock_unix_us();
	bool is_audio = payload_type == LOAD_OPUS;
	uint8_t numbered = is_audio ? peer->audio_transport_cc_id : peer->transport_cc_id;
	uint32_t ticks_per_ms = is_audio ? 48 : 90;
	size_t header_bytes = RTP_HEADER_BYTES;
	int r;

	memcpy(payload + 2, &now_us, sizeof(now_us));
	rtp_header_encode(packet, payload_type, marker, numbered != 0, false, sequence_number,
			  (uint32_t)(now_us * ticks_per_ms / 1000), ssrc);
	if (numbered) {
		const uint8_t number[2] = {(uint8_t)(peer->transport_sequence >> 8),
					   (uint8_t)peer->transport_sequence};

		peer->transport_sequence++;
		r = rtp_extension_block_append(packet + header_bytes, 0,
					       sizeof(packet) - header_bytes, numbered, number,
					       sizeof(number));
		header_bytes += (size_t)(r > 0 ? r : 0);
	}
	r = media_crypto_protect_rtp(peer->out, packet, sizeof(packet), header_bytes, NULL, 0,
				     payload, length - header_bytes - 16);
	if (r > 0)
		(void)send(peer->fd, packet, (size_t)r, 0);
}

void load_peer_publish(struct load_peer *peer, size_t length, bool marker)
{
	/* S=1, then a frame's first byte: bit 0 clear in a keyframe */
	const uint8_t start[2] = {0x10, peer->sends_deltas};

	publish(peer, LOAD_VP8, marker, peer->ssrc, peer->sequence_number++, start, length);
}

void load_peer_publish_more(struct load_peer *peer, size_t length, bool marker)
{
	const uint8_t start[2] = {0, 0xff};

	publish(peer, LOAD_VP8, marker, peer->ssrc, peer->sequence_number++, start, length);
}

void load_peer_publish_audio(struct load_peer *peer, size_t length)
{
	const uint8_t start[2] = {0xfc, 0xff}; /* Opus, 20 ms of CELT */

	publish(peer, LOAD_OPUS, false, peer->audio_ssrc, peer->audio_sequence_number++, start,
		length);
}

void load_peer_publish_layer(struct load_peer *peer, uint8_t layer, size_t length, bool is_keyframe)
{
	const uint8_t start[2] = {0x10, (uint8_t)(layer << 5 | !is_keyframe)};

	publish(peer, LOAD_VP8, true, peer->ssrc + layer, peer->layer_sequence_numbers[layer]++,
		start, length);
}

uint8_t load_peer_layer_of(const uint8_t *payload)
{
	return payload[1] >> 5;
}

static void report(struct load_peer *peer, uint32_t ssrc, uint32_t ticks_per_ms)
{
	uint64_t now_us = clock_unix_us();
	const struct rtcp_sender_info info = {.ntp = ntp_from_unix_us(now_us),
					      .rtp_timestamp =
						      (uint32_t)(now_us * ticks_per_ms / 1000)};
	uint8_t packet[256];
	struct writer writer = writer_over(packet, sizeof(packet));

	rtcp_write_sender_report(&writer, ssrc, &info, NULL, 0);
	rtcp_write_sdes_cname(&writer, ssrc, "load");
	load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
}

void load_peer_report(struct load_peer *peer)
{
	report(peer, peer->ssrc, 90);
	if (peer->with_audio)
		report(peer, peer->audio_ssrc, 48);
}

void load_peer_feed_back(struct load_peer *peer)
{
	uint8_t packet[1500];
	struct writer writer = writer_over(packet, 1200);

	rtcp_write_receiver_report(&writer, peer->ssrc, NULL, 0);
	if (arrival_log_write(&peer->arrivals, peer->ssrc, clock_now_us(), &writer))
		load_peer_send_rtcp(peer, packet, writer.offset, sizeof(packet));
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

static bool conceals_next(struct load_peer *peer)
{
	return peer->conceals && peer->concealed++ % peer->conceals != 0;
}

bool load_peer_note(struct load_peer *peer, const uint8_t *packet, size_t length,
		    uint64_t arrival_us)
{
	struct rtp_header header;
	struct slice number;

	if (packet_kind_of(packet, length) != PACKET_RTP ||
	    rtp_header_decode(packet, length, true, &header) < 0)
		return false;
	if (peer->transport_cc_id) {
		number = rtp_extension_find(&header, packet, peer->transport_cc_id);
		if (number.length == 2 && !conceals_next(peer))
			arrival_log_on_packet(&peer->arrivals,
					      (uint16_t)(number.data[0] << 8 | number.data[1]),
					      header.ssrc, arrival_us);
	}
	return !(peer->rtx_payload_types[header.payload_type / 64] >> header.payload_type % 64 & 1);
}

static uint64_t kernel_time_us(struct msghdr *message)
{
	const struct cmsghdr *control = CMSG_FIRSTHDR(message);
	struct timespec at;

	if (!control || control->cmsg_type != SCM_TIMESTAMPNS)
		return 0;
	memcpy(&at, CMSG_DATA(control), sizeof(at));
	return (uint64_t)at.tv_sec * 1000000u + (uint64_t)at.tv_nsec / 1000u;
}

static void sample_latency(struct load_peer *peer, uint8_t *packet, size_t length,
			   uint64_t arrived_us, struct load_peer_drained *drained)
{
	struct rtp_header header;
	uint64_t sent_us;

	if (media_crypto_unprotect_rtp(peer->in, packet, &length) < 0 ||
	    rtp_header_decode(packet, length, false, &header) < 0 ||
	    length < header.header_bytes + 10u)
		return;
	memcpy(&sent_us, packet + header.header_bytes + 2, 8);
	drained->has_sample = arrived_us >= sent_us;
	drained->latency_us = (uint32_t)(arrived_us - sent_us);
}

struct load_peer_drained load_peer_drain(struct load_peer *peer)
{
	static _Thread_local uint8_t packets[LOAD_DRAIN_MAX][2048];
	struct mmsghdr messages[LOAD_DRAIN_MAX];
	struct iovec iovecs[LOAD_DRAIN_MAX];
	alignas(struct cmsghdr)
		uint8_t controls[LOAD_DRAIN_MAX][CMSG_SPACE(sizeof(struct timespec))];
	struct load_peer_drained drained = {0};
	int media[LOAD_DRAIN_MAX], sample;

	for (int i = 0; i < LOAD_DRAIN_MAX; i++) {
		iovecs[i] = (struct iovec){.iov_base = packets[i], .iov_len = sizeof(packets[i])};
		messages[i].msg_hdr = (struct msghdr){.msg_iov = &iovecs[i],
						      .msg_iovlen = 1,
						      .msg_control = controls[i],
						      .msg_controllen = sizeof(controls[i])};
	}
	drained.packets = recvmmsg(peer->fd, messages, LOAD_DRAIN_MAX, MSG_DONTWAIT, NULL);
	for (int i = 0; i < drained.packets; i++)
		if (load_peer_note(peer, packets[i], messages[i].msg_len,
				   kernel_time_us(&messages[i].msg_hdr)))
			media[drained.media++] = i;
	if (drained.media > 0) {
		sample = media[peer->drain_count++ % (unsigned)drained.media];
		sample_latency(peer, packets[sample], messages[sample].msg_len,
			       kernel_time_us(&messages[sample].msg_hdr), &drained);
	}
	return drained;
}
