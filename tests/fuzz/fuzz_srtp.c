#include <stdint.h>
#include <string.h>

#include "core/cursor.h"
#include "sfu/wire/rtcp.h"
#include "sfu/wire/rtp.h"
#include "sfu/wire/srtp.h"

enum { PACKET_MAX = 2048 };

static const uint8_t key[SRTP_KEY_MAX] = {1, 2, 3, 4}, salt[SRTP_SALT_MAX] = {5, 6, 7, 8};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As it is, it should hardly ever be authentic. */
static void unprotect_as_it_is(enum srtp_suite suite, const uint8_t *data, size_t size)
{
	AUTO(media_crypto) crypto = NULL;
	uint8_t packet[PACKET_MAX];
	size_t length = size;

	if (media_crypto_new(suite, key, salt, &crypto) < 0)
		return;
	memcpy(packet, data, size);
	if (media_crypto_unprotect_rtp(crypto, packet, &length) == 0 && length >= size)
		__builtin_trap();
	memcpy(packet, data, size);
	length = size;
	if (media_crypto_unprotect_rtcp(crypto, packet, &length) == 0 && length >= size)
		__builtin_trap();
}

/* The packet that somebody with the key makes of these bytes must come out as they are, once. */
static void there_and_back_rtp(enum srtp_suite suite, const uint8_t *data, size_t size)
{
	AUTO(media_crypto) sender = NULL;
	AUTO(media_crypto) receiver = NULL;
	uint8_t packet[PACKET_MAX], again[PACKET_MAX];
	struct rtp_header header;
	size_t length;
	int protected_bytes;

	if (rtp_header_decode(data, size, true, &header) < 0 ||
	    media_crypto_new(suite, key, salt, &sender) < 0 ||
	    media_crypto_new(suite, key, salt, &receiver) < 0)
		return;
	memcpy(packet, data, header.header_bytes);
	protected_bytes =
		media_crypto_protect_rtp(sender, packet, sizeof(packet), header.header_bytes, NULL,
					 0, data + header.header_bytes, size - header.header_bytes);
	if (protected_bytes < 0)
		return;
	memcpy(again, packet, (size_t)protected_bytes);
	length = (size_t)protected_bytes;
	if (media_crypto_unprotect_rtp(receiver, packet, &length) != 0 || length != size ||
	    memcmp(packet, data, size) != 0)
		__builtin_trap();
	(void)!rtp_header_decode(packet, length, false, &header); /* padding may lie now */
	length = (size_t)protected_bytes;
	if (media_crypto_unprotect_rtp(receiver, again, &length) == 0)
		__builtin_trap();
}

static void there_and_back_rtcp(enum srtp_suite suite, const uint8_t *data, size_t size)
{
	static const struct rtcp_visitor nobody;
	AUTO(media_crypto) sender = NULL;
	AUTO(media_crypto) receiver = NULL;
	uint8_t packet[PACKET_MAX];
	size_t length;
	int protected_bytes;

	if (packet_kind_of(data, size) != PACKET_RTCP || size < 8 ||
	    media_crypto_new(suite, key, salt, &sender) < 0 ||
	    media_crypto_new(suite, key, salt, &receiver) < 0)
		return;
	memcpy(packet, data, size);
	protected_bytes = media_crypto_protect_rtcp(sender, packet, size, sizeof(packet));
	if (protected_bytes < 0)
		return;
	length = (size_t)protected_bytes;
	if (media_crypto_unprotect_rtcp(receiver, packet, &length) != 0 || length != size ||
	    memcmp(packet, data, size) != 0)
		__builtin_trap();
	(void)!rtcp_visit(packet, length, &nobody, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum srtp_suite suites[] = {SRTP_SUITE_AES128_CM_SHA1_80,
						 SRTP_SUITE_AEAD_AES_128_GCM,
						 SRTP_SUITE_AEAD_AES_256_GCM};

	if (size > PACKET_MAX - SRTP_OVERHEAD_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		unprotect_as_it_is(suites[i], data, size);
		there_and_back_rtp(suites[i], data, size);
		there_and_back_rtcp(suites[i], data, size);
	}
	return 0;
}
