#include "core/sniff/sniff.h"

#include <errno.h>
#include <magic.h>

/* Enough for the signatures; libmagic's text guesses cost more the more there is. */
enum { LOOKED_AT_BYTES = 4096 };

struct sniffer {
	magic_t magic;
};

int sniffer_new(struct sniffer **ret_sniffer, struct error *reterr)
{
	AUTO(sniffer) sniffer = calloc(1, sizeof(*sniffer));

	if (!sniffer)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	/* No looking into archives, and no guesses about tar, CDF and so on: types suffice. */
	sniffer->magic = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR |
				    MAGIC_NO_CHECK_CDF);
	if (!sniffer->magic || magic_load(sniffer->magic, NULL) < 0)
		return error_set(reterr, -EIO, "sniffer_failed", "libmagic cannot start: %s",
				 sniffer->magic ? magic_error(sniffer->magic) : "out of memory");
	*ret_sniffer = STEAL(sniffer);
	return 0;
}

struct sniffer *sniffer_free(struct sniffer *sniffer)
{
	if (sniffer && sniffer->magic)
		magic_close(sniffer->magic);
	free(sniffer);
	return NULL;
}

const char *sniffer_type(struct sniffer *sniffer, const void *bytes, size_t length)
{
	const char *type = magic_buffer(sniffer->magic, bytes ? bytes : "",
					length < LOOKED_AT_BYTES ? length : LOOKED_AT_BYTES);

	return type ? type : "application/octet-stream";
}
