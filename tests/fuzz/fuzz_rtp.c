#include <stdint.h>

#include "sfu/wire/rtp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t id_map[16] = {0, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 15};
	uint8_t block[RTP_EXTENSION_BLOCK_MAX];
	struct rtp_header header;

	(void)packet_kind_of(data, size);
	if (rtp_header_decode(data, size, false, &header) < 0)
		return 0;
	(void)rtp_extension_find(&header, data, 14);
	if (rtp_extension_block_rewrite(&header, data, id_map, (struct rtp_extension_shift){3, 1},
					block, sizeof(block)) < 0)
		return 0;
	(void)rtp_payload_bytes(&header, size);
	return 0;
}
