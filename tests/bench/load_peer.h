/* load_peer.h - a participant without a browser: ICE check, DTLS, SRTP on a socket of its own, made
 * of the relay's own wire modules. For load tools. Thread: one at a time. */
#ifndef TESTS_BENCH_LOAD_PEER_H
#define TESTS_BENCH_LOAD_PEER_H

#include <netinet/in.h>

#include "sfu/edge/dtls_link.h"
#include "sfu/wire/sdp.h"

enum { LOAD_VP8 = 96, LOAD_RTX = 97 };

struct load_peer {
	int fd;
	struct sockaddr_in sfu;
	const struct dtls_identity *identity;
	struct dtls_link *link;
	struct media_crypto *in, *out;
	char ufrag[16], password[40];
	uint8_t remote_fingerprint_sha256[32];
	char remote_ufrag[64], remote_password[64];
	uint32_t ssrc; /* what it publishes with */
	uint16_t sequence_number;
	bool sends_deltas;			 /* what it publishes begins no keyframe */
	uint32_t receive_ssrc, receive_rtx_ssrc; /* of the first section it watches */
};

int load_peer_init(struct load_peer *peer, const struct dtls_identity *identity);
void load_peer_fini(struct load_peer *peer);

/* An offer with one VP8 section to publish, or `receive_count` sections to watch, with NACK and RTX
 * (payload types LOAD_VP8 and LOAD_RTX). malloc()ed. */
char *load_peer_offer(const struct load_peer *peer, size_t receive_count);
/* Take the SFU's answer, check, shake hands. -EPROTO, -ETIMEDOUT. */
int load_peer_connect(struct load_peer *peer, const char *answer) MUST_CHECK;

/* Send one VP8 packet of `length` bytes in all (each begins a keyframe unless sends_deltas) with
 * the time in it. */
void load_peer_publish(struct load_peer *peer, size_t length, bool marker);
/* Protect and send a plain RTCP packet (in a buffer with room for SRTCP's trailer). */
void load_peer_send_rtcp(struct load_peer *peer, uint8_t *packet, size_t length, size_t capacity);
/* The next RTP or RTCP packet, decrypted, into `packet[2048]`. Returns its length, 0 if nothing
 * came within `timeout_ms`. */
size_t load_peer_receive(struct load_peer *peer, int timeout_ms, uint8_t *packet);
/* Read what has come, at most 64 packets. Returns how many; *ret_sent_us is when the last of them
 * was published, 0 if none was readable. */
int load_peer_drain(struct load_peer *peer, uint64_t *ret_sent_us);

#endif
