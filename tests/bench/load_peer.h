/* load_peer.h - a participant without a browser: ICE check, DTLS, SRTP on a socket of its own, made
 * of the relay's own wire modules. For load tools. Thread: one at a time. */
#ifndef TESTS_BENCH_LOAD_PEER_H
#define TESTS_BENCH_LOAD_PEER_H

#include <netinet/in.h>

#include "sfu/edge/dtls_link.h"
#include "sfu/model/arrival_log.h"
#include "sfu/wire/sdp.h"

enum {
	LOAD_VP8 = 96,
	LOAD_RTX = 97,
	LOAD_VP9 = 98,
	LOAD_AV1 = 45,
	LOAD_OPUS = 111,
	LOAD_LEVEL_ID = 1,
	LOAD_DEPENDENCY_ID = 4,
	LOAD_DRAIN_MAX = 64,
	LOAD_PRIORITY = 0x7effffff /* of the candidate that its first checks name */
};

struct load_peer {
	bool with_audio;	/* an audio section for each of video; set it before the offer */
	bool with_levels;	/* of sound, under LOAD_LEVEL_ID; likewise */
	bool with_transport_cc; /* packets numbered for feedback, and feedback; likewise */
	uint8_t video;		/* LOAD_VP8 at first, or LOAD_VP9 or LOAD_AV1; likewise */
	bool without_rtx;	/* what it misses comes again as it was; likewise */
	size_t layer_count;	/* its picture is so many streams, told by their SSRCs; likewise */
	bool over_ipv6;		/* by the other side's first candidate of that kind; likewise */
	bool is_checked; /* the other side checks as well, and takes nothing before; likewise */
	bool was_checked;
	int fd;
	struct sockaddr_in sfu;
	const struct dtls_identity *identity;
	struct dtls_link *link;
	enum dtls_role dtls_role;
	struct media_crypto *in, *out;
	char ufrag[16], password[40];
	uint8_t remote_fingerprint_sha256[32];
	char remote_ufrag[64], remote_password[64];
	uint32_t ssrc, audio_ssrc; /* what it publishes with */
	uint16_t sequence_number, audio_sequence_number, transport_sequence;
	uint16_t layer_sequence_numbers[SDP_LAYERS_MAX];
	uint8_t transport_cc_id, audio_transport_cc_id; /* as agreed; 0: not */
	bool sends_deltas;				/* what it publishes begins no keyframe */
	uint32_t receive_ssrc, receive_rtx_ssrc;	/* of the first section it watches */
	uint64_t rtx_payload_types[2];			/* bit n of word n / 64: n is RTX */
	struct arrival_log arrivals;			/* since the last feedback */
	unsigned drain_count;	      /* which of the packets read in one go is the sample */
	unsigned conceals, concealed; /* of so many packets it tells of one alone; 0: of all */
};

/* What has come in one go. */
struct load_peer_drained {
	int packets;	     /* datagrams in all */
	int media;	     /* packets of media; repeats and padding are none */
	bool has_sample;     /* one of them was readable, each time another */
	uint32_t latency_us; /* of that one, from before it was published until the kernel had it */
};

int load_peer_init(struct load_peer *peer, const struct dtls_identity *identity);
void load_peer_fini(struct load_peer *peer);

/* An offer with one section of video to publish, or `receive_count` sections to watch, with NACK
 * and RTX (payload type LOAD_RTX), of AV1 with dependency descriptors; with_audio, an Opus section
 * before each. malloc()ed. */
char *load_peer_offer(const struct load_peer *peer, size_t receive_count);
/* An answer that takes everything offered. malloc()ed, NULL if the offer is no good. */
char *load_peer_answer(const struct load_peer *peer, const char *offer);
/* Take the SFU's side (its answer, or the offer that was answered), check, shake hands. -EPROTO,
 * -ETIMEDOUT. */
int load_peer_connect(struct load_peer *peer, const char *remote) MUST_CHECK;

/* One more check by the socket that `peer->fd` is now. Whether it is answered is for the caller to
 * see. */
void load_peer_check(const struct load_peer *peer, uint32_t priority, bool is_nominating);

/* Send one VP8 packet of `length` bytes in all (each begins a keyframe unless sends_deltas) with
 * the time in it. */
void load_peer_publish(struct load_peer *peer, size_t length, bool marker);
/* The same for a packet that continues a frame, and for sound. */
void load_peer_publish_more(struct load_peer *peer, size_t length, bool marker);
void load_peer_publish_audio(struct load_peer *peer, size_t length);
/* One packet, which is a picture of a layer; it says which (load_peer_layer_of()). The layers'
 * SSRCs are load_peer.ssrc and those that follow. */
void load_peer_publish_layer(struct load_peer *peer, uint8_t layer, size_t length,
			     bool is_keyframe);
uint8_t load_peer_layer_of(const uint8_t *payload);
/* Sender reports of all that it publishes. */
void load_peer_report(struct load_peer *peer);
/* Transport-wide feedback about what was drained since the last. */
void load_peer_feed_back(struct load_peer *peer);
/* Protect and send a plain RTCP packet (in a buffer with room for SRTCP's trailer). */
void load_peer_send_rtcp(struct load_peer *peer, uint8_t *packet, size_t length, size_t capacity);
/* The next RTP or RTCP packet, decrypted, into `packet[2048]`. Returns its length, 0 if nothing
 * came within `timeout_ms`. */
size_t load_peer_receive(struct load_peer *peer, int timeout_ms, uint8_t *packet);
/* Note a packet, as it came, for the next feedback; true if it is media. */
bool load_peer_note(struct load_peer *peer, const uint8_t *packet, size_t length,
		    uint64_t arrival_us);
/* Read what has come, at most LOAD_DRAIN_MAX packets. */
struct load_peer_drained load_peer_drain(struct load_peer *peer);

#endif
