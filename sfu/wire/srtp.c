#include "sfu/wire/srtp.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "core/cursor.h"
#include "sfu/wire/rtp.h"
#include "sfu/wire/srtp_cipher.h"
#include "sfu/wire/srtp_kdf.h"
#include "sfu/wire/srtp_streams.h"

static const uint64_t rtp_index_max = (UINT64_C(1) << 48) - 1;
static const uint64_t rtcp_index_max = (UINT64_C(1) << 31) - 1;

enum {
	RTCP_HEADER_BYTES = 8, /* plain in SRTCP: the first header and the sender's SSRC */
	RTCP_INDEX_BYTES = 4,
	TRAILER_BYTES = 4
};
static const uint32_t rtcp_encrypted_flag = UINT32_C(1) << 31;

struct media_crypto {
	bool is_aead;
	size_t tag_bytes;
	struct srtp_cipher *rtp, *rtcp; /* owned */
	struct srtp_streams streams;
};

static const struct srtp_window empty_window;

size_t srtp_suite_key_bytes(enum srtp_suite suite)
{
	switch (suite) {
	case SRTP_SUITE_NONE:
		return 0;
	case SRTP_SUITE_AES128_CM_SHA1_80:
	case SRTP_SUITE_AEAD_AES_128_GCM:
		return 16;
	case SRTP_SUITE_AEAD_AES_256_GCM:
		return 32;
	}
	return 0;
}

size_t srtp_suite_salt_bytes(enum srtp_suite suite)
{
	switch (suite) {
	case SRTP_SUITE_NONE:
		return 0;
	case SRTP_SUITE_AES128_CM_SHA1_80:
		return 14;
	case SRTP_SUITE_AEAD_AES_128_GCM:
	case SRTP_SUITE_AEAD_AES_256_GCM:
		return 12;
	}
	return 0;
}

int media_crypto_new(enum srtp_suite suite, const uint8_t *key, const uint8_t *salt,
		     struct media_crypto **ret_crypto)
{
	struct srtp_session_keys rtp = {0}, rtcp = {0};
	int r;

	if (srtp_suite_key_bytes(suite) == 0)
		return -EINVAL;
	r = srtp_session_keys_derive(suite, key, salt, &rtp, &rtcp);
	if (r == 0)
		r = media_crypto_new_from_session(suite, &rtp, &rtcp, ret_crypto);
	explicit_bzero(&rtp, sizeof(rtp));
	explicit_bzero(&rtcp, sizeof(rtcp));
	return r;
}

int media_crypto_new_from_session(enum srtp_suite suite, const struct srtp_session_keys *rtp,
				  const struct srtp_session_keys *rtcp,
				  struct media_crypto **ret_crypto)
{
	AUTO(media_crypto) crypto = calloc(1, sizeof(*crypto));
	int r;

	if (!crypto)
		return -ENOMEM;
	crypto->is_aead = suite != SRTP_SUITE_AES128_CM_SHA1_80;
	crypto->tag_bytes = crypto->is_aead ? 16 : 10;
	r = srtp_streams_init(&crypto->streams);
	if (r == 0)
		r = srtp_cipher_new(suite, rtp, &crypto->rtp);
	if (r == 0)
		r = srtp_cipher_new(suite, rtcp, &crypto->rtcp);
	if (r < 0)
		return r;
	*ret_crypto = STEAL(crypto);
	return 0;
}

struct media_crypto *media_crypto_free(struct media_crypto *crypto)
{
	if (!crypto)
		return NULL;
	(void)srtp_cipher_free(crypto->rtp);
	(void)srtp_cipher_free(crypto->rtcp);
	srtp_streams_fini(&crypto->streams);
	free(crypto);
	return NULL;
}

void media_crypto_forget(struct media_crypto *crypto, uint32_t ssrc)
{
	srtp_streams_retire(&crypto->streams, ssrc);
}

static uint32_t u32_at(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

/* The stream of an incoming packet; *ret_stream is NULL for an SSRC that would be a new one, which
 * is added only once the packet has proved itself. */
static int find_incoming(struct media_crypto *crypto, uint32_t ssrc,
			 struct srtp_stream **ret_stream)
{
	int r = srtp_streams_find(&crypto->streams, ssrc, ret_stream);

	if (r != -ENOENT)
		return r;
	if (srtp_streams_is_full(&crypto->streams))
		return -ENOSPC;
	*ret_stream = NULL;
	return 0;
}

static int find_outgoing(struct media_crypto *crypto, uint32_t ssrc,
			 struct srtp_stream **ret_stream)
{
	int r = srtp_streams_find(&crypto->streams, ssrc, ret_stream);

	return r == -ENOENT ? srtp_streams_add(&crypto->streams, ssrc, ret_stream) : r;
}

/* With AES-CM the rollover counter is authenticated behind the packet, though not sent (RFC 3711
 * section 4.2); with AEAD it is part of the nonce already. */
static struct slice rtp_trailer(const struct media_crypto *crypto, uint64_t index,
				uint8_t bytes[TRAILER_BYTES])
{
	struct writer writer = writer_over(bytes, TRAILER_BYTES);

	if (crypto->is_aead)
		return (struct slice){NULL, 0};
	write_u32(&writer, (uint32_t)(index >> 16));
	return (struct slice){bytes, TRAILER_BYTES};
}

int media_crypto_unprotect_rtp(struct media_crypto *crypto, uint8_t *packet, size_t *length)
{
	struct srtp_stream *stream;
	struct rtp_header header;
	struct srtp_seal seal;
	const struct srtp_window *window;
	uint8_t trailer[TRAILER_BYTES];
	size_t plain_bytes;
	int r;

	if (*length < crypto->tag_bytes)
		return -EBADMSG;
	plain_bytes = *length - crypto->tag_bytes;
	r = rtp_header_decode(packet, plain_bytes, true, &header);
	if (r < 0)
		return r;
	r = find_incoming(crypto, header.ssrc, &stream);
	if (r < 0)
		return r;
	window = stream ? &stream->rtp : &empty_window;

	seal.ssrc = header.ssrc;
	seal.index = srtp_window_estimate(window, header.sequence_number);
	seal.header = (struct slice){packet, header.header_bytes};
	seal.trailer = rtp_trailer(crypto, seal.index, trailer);
	if (seal.index > rtp_index_max)
		return -EOVERFLOW;
	r = srtp_window_check(window, seal.index);
	if (r < 0)
		return r;
	r = srtp_cipher_open(crypto->rtp, &seal, packet + header.header_bytes,
			     plain_bytes - header.header_bytes, packet + plain_bytes);
	if (r == 0 && !stream)
		r = srtp_streams_add(&crypto->streams, header.ssrc, &stream);
	if (r < 0)
		return r;
	srtp_window_accept(&stream->rtp, seal.index);
	*length = plain_bytes;
	return 0;
}

/* AES-CM:  header | ciphertext | E, index | tag       (RFC 3711 section 3.4)
 * AEAD:    header | ciphertext | tag | E, index       (RFC 7714 section 9.2) */
int media_crypto_unprotect_rtcp(struct media_crypto *crypto, uint8_t *packet, size_t *length)
{
	const uint8_t *tag, *index_word;
	const struct srtp_window *window;
	struct srtp_stream *stream;
	struct srtp_seal seal;
	size_t plain_bytes;
	int r;

	if (*length < RTCP_HEADER_BYTES + RTCP_INDEX_BYTES + crypto->tag_bytes ||
	    packet[0] >> 6 != 2)
		return -EBADMSG;
	plain_bytes = *length - RTCP_INDEX_BYTES - crypto->tag_bytes;
	if (crypto->is_aead) {
		tag = packet + plain_bytes;
		index_word = tag + crypto->tag_bytes;
	} else {
		index_word = packet + plain_bytes;
		tag = index_word + RTCP_INDEX_BYTES;
	}
	if (!(u32_at(index_word) & rtcp_encrypted_flag))
		return -EBADMSG;

	seal.ssrc = u32_at(packet + 4);
	seal.index = u32_at(index_word) & ~rtcp_encrypted_flag;
	seal.header = (struct slice){packet, RTCP_HEADER_BYTES};
	seal.trailer = (struct slice){index_word, RTCP_INDEX_BYTES};
	r = find_incoming(crypto, seal.ssrc, &stream);
	if (r < 0)
		return r;
	window = stream ? &stream->rtcp : &empty_window;
	r = srtp_window_check(window, seal.index);
	if (r < 0)
		return r;
	r = srtp_cipher_open(crypto->rtcp, &seal, packet + RTCP_HEADER_BYTES,
			     plain_bytes - RTCP_HEADER_BYTES, tag);
	if (r == 0 && !stream)
		r = srtp_streams_add(&crypto->streams, seal.ssrc, &stream);
	if (r < 0)
		return r;
	srtp_window_accept(&stream->rtcp, seal.index);
	*length = plain_bytes;
	return 0;
}

/* Seal an RTP packet behind its header under a given index. */
static int seal_rtp(struct media_crypto *crypto, uint8_t *out, size_t header_bytes, uint64_t index,
		    struct slice prefix, struct slice payload)
{
	size_t plain_bytes = header_bytes + prefix.length + payload.length;
	uint8_t trailer[TRAILER_BYTES];
	struct srtp_seal seal = {
		.ssrc = u32_at(out + 8),
		.index = index,
		.header = {out, header_bytes},
		.trailer = rtp_trailer(crypto, index, trailer),
	};
	int r;

	r = srtp_cipher_seal(crypto->rtp, &seal, prefix, payload, out + header_bytes,
			     out + plain_bytes);
	return r < 0 ? r : (int)(plain_bytes + crypto->tag_bytes);
}

static bool rtp_fits(const struct media_crypto *crypto, size_t capacity, size_t header_bytes,
		     size_t body_bytes)
{
	assert(header_bytes >= RTP_HEADER_BYTES && header_bytes <= capacity);
	return body_bytes <= INT_MAX && capacity - header_bytes >= body_bytes + crypto->tag_bytes;
}

int media_crypto_protect_rtp_on(struct media_crypto *crypto, struct srtp_stream **stream,
				uint8_t *out, size_t capacity, size_t header_bytes,
				const uint8_t *prefix, size_t prefix_bytes, const uint8_t *payload,
				size_t payload_bytes)
{
	struct srtp_window *window;
	uint64_t index;
	int r, length;

	if (!rtp_fits(crypto, capacity, header_bytes, prefix_bytes + payload_bytes))
		return -EMSGSIZE;
	r = *stream ? 0 : find_outgoing(crypto, u32_at(out + 8), stream);
	if (r < 0)
		return r;
	assert((*stream)->ssrc == u32_at(out + 8));
	window = &(*stream)->rtp;
	index = srtp_window_estimate(window, (uint16_t)(out[2] << 8 | out[3]));
	if (index > rtp_index_max)
		return -EOVERFLOW;
	r = srtp_window_check(window, index);
	if (r < 0)
		return r;
	length = seal_rtp(crypto, out, header_bytes, index, (struct slice){prefix, prefix_bytes},
			  (struct slice){payload, payload_bytes});
	if (length >= 0)
		srtp_window_accept(window, index);
	return length;
}

int media_crypto_protect_rtp(struct media_crypto *crypto, uint8_t *out, size_t capacity,
			     size_t header_bytes, const uint8_t *prefix, size_t prefix_bytes,
			     const uint8_t *payload, size_t payload_bytes)
{
	struct srtp_stream *stream = NULL;

	return media_crypto_protect_rtp_on(crypto, &stream, out, capacity, header_bytes, prefix,
					   prefix_bytes, payload, payload_bytes);
}

int media_crypto_protect_rtp_again(struct media_crypto *crypto, uint8_t *out, size_t capacity,
				   size_t header_bytes, const uint8_t *prefix, size_t prefix_bytes,
				   const uint8_t *payload, size_t payload_bytes)
{
	struct srtp_stream *stream;
	uint64_t index;
	int r;

	if (!rtp_fits(crypto, capacity, header_bytes, prefix_bytes + payload_bytes))
		return -EMSGSIZE;
	r = srtp_streams_find(&crypto->streams, u32_at(out + 8), &stream);
	if (r < 0)
		return r;
	index = srtp_window_estimate(&stream->rtp, (uint16_t)(out[2] << 8 | out[3]));
	/* An index not known to be sent may still be sent, with other bytes. */
	if (srtp_window_check(&stream->rtp, index) != -EALREADY)
		return -ENOENT;
	return seal_rtp(crypto, out, header_bytes, index, (struct slice){prefix, prefix_bytes},
			(struct slice){payload, payload_bytes});
}

int media_crypto_protect_rtcp(struct media_crypto *crypto, uint8_t *packet, size_t length,
			      size_t capacity)
{
	size_t sealed_bytes = length + crypto->tag_bytes + RTCP_INDEX_BYTES;
	uint8_t index_word[RTCP_INDEX_BYTES];
	struct writer writer = writer_over(index_word, sizeof(index_word));
	struct srtp_stream *stream;
	struct srtp_seal seal;
	uint8_t *tag;
	int r;

	assert(length >= RTCP_HEADER_BYTES);
	if (length > INT_MAX - SRTP_OVERHEAD_MAX || sealed_bytes > capacity)
		return -EMSGSIZE;
	r = find_outgoing(crypto, u32_at(packet + 4), &stream);
	if (r < 0)
		return r;
	seal.ssrc = stream->ssrc;
	seal.index = stream->rtcp.started ? stream->rtcp.highest + 1 : 0;
	if (seal.index > rtcp_index_max)
		return -EOVERFLOW;
	write_u32(&writer, (uint32_t)seal.index | rtcp_encrypted_flag);
	seal.header = (struct slice){packet, RTCP_HEADER_BYTES};
	seal.trailer = (struct slice){index_word, RTCP_INDEX_BYTES};

	tag = packet + length + (crypto->is_aead ? 0 : RTCP_INDEX_BYTES);
	r = srtp_cipher_seal(crypto->rtcp, &seal, (struct slice){NULL, 0},
			     (struct slice){packet + RTCP_HEADER_BYTES, length - RTCP_HEADER_BYTES},
			     packet + RTCP_HEADER_BYTES, tag);
	if (r < 0)
		return r;
	memcpy(packet + length + (crypto->is_aead ? crypto->tag_bytes : 0), index_word,
	       sizeof(index_word));
	srtp_window_accept(&stream->rtcp, seal.index);
	return (int)sealed_bytes;
}
