#include "realtime/wire/deflate.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

enum {
	RAW_WINDOW_BITS = -15, /* negative: no zlib header, as RFC 7692 has it */
	DEFLATE_LEVEL = 1,     /* for speed; a message is a few hundred bytes of JSON */
	MEMORY_LEVEL = 8,
	CHUNK = 4096,
	TAIL_BYTES = 4
};

/* Every message ends with an empty stored block, which is left out on the wire. */
static const uint8_t tail[TAIL_BYTES] = {0x00, 0x00, 0xff, 0xff};

int message_deflate(const void *bytes, size_t length, uint8_t **ret_bytes, size_t *ret_length)
{
	static z_stream stream; /* the loop's; reset for each message: making one costs more */
	static bool is_ready;
	AUTO_FREE uint8_t *out = NULL;
	size_t capacity;

	if (!is_ready && deflateInit2(&stream, DEFLATE_LEVEL, Z_DEFLATED, RAW_WINDOW_BITS,
				      MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	is_ready = true;
	(void)deflateReset(&stream); /* fails only for a stream that is none */
	capacity = deflateBound(&stream, length) + TAIL_BYTES + 8;
	out = malloc(capacity);
	if (!out)
		return -ENOMEM;
	stream.next_in = (Bytef *)(uintptr_t)bytes;
	stream.avail_in = (uInt)length;
	stream.next_out = out;
	stream.avail_out = (uInt)capacity;
	if (deflate(&stream, Z_SYNC_FLUSH) != Z_OK || stream.avail_in > 0)
		return -ENOMEM;
	*ret_length = capacity - stream.avail_out - TAIL_BYTES;
	*ret_bytes = STEAL(out);
	return 0;
}

struct inflater {
	z_stream stream;
};

struct inflater *inflater_new(void)
{
	struct inflater *inflater = calloc(1, sizeof(*inflater));

	if (inflater && inflateInit2(&inflater->stream, RAW_WINDOW_BITS) == Z_OK)
		return inflater;
	free(inflater);
	return NULL;
}

struct inflater *inflater_free(struct inflater *inflater)
{
	if (inflater)
		(void)inflateEnd(&inflater->stream); /* it was made well */
	free(inflater);
	return NULL;
}

/* What has come out so far; grown as it comes, so that a lie costs no memory. */
struct output {
	char *bytes; /* owned */
	size_t length, capacity;
};

static int output_grow(struct output *output, size_t limit)
{
	size_t capacity = output->capacity ? output->capacity * 2 : CHUNK;
	char *bytes;

	if (capacity > limit + 1)
		capacity = limit + 1; /* one more than may be, to see that it is more */
	bytes = realloc(output->bytes, capacity + 1);
	if (!bytes)
		return -ENOMEM;
	output->bytes = bytes;
	output->capacity = capacity;
	return 0;
}

static int feed(struct inflater *inflater, const void *bytes, size_t length, size_t limit,
		struct output *output)
{
	z_stream *stream = &inflater->stream;
	int r;

	stream->next_in = (Bytef *)(uintptr_t)bytes;
	stream->avail_in = (uInt)length;
	for (;;) {
		if (output->length == output->capacity && output_grow(output, limit) < 0)
			return -ENOMEM;
		stream->next_out = (Bytef *)output->bytes + output->length;
		stream->avail_out = (uInt)(output->capacity - output->length);
		r = inflate(stream, Z_SYNC_FLUSH);
		output->length = output->capacity - stream->avail_out;
		if (output->length > limit)
			return -EMSGSIZE;
		if (r == Z_STREAM_END) /* a final block: the next message starts anew */
			(void)inflateReset(stream);
		else if (r != Z_OK && r != Z_BUF_ERROR)
			return r == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
		if (stream->avail_in == 0 && stream->avail_out > 0)
			return 0;
		if (r == Z_BUF_ERROR && stream->avail_out > 0)
			return -EBADMSG; /* it takes no more, and there is more */
	}
}

int inflater_message(struct inflater *inflater, const void *bytes, size_t length, size_t limit,
		     char **ret_bytes, size_t *ret_length)
{
	struct output output = {0};
	int r = feed(inflater, bytes, length, limit, &output);

	if (r == 0)
		r = feed(inflater, tail, sizeof(tail), limit, &output);
	if (r < 0) {
		free(output.bytes);
		return r;
	}
	output.bytes[output.length] = '\0';
	*ret_bytes = output.bytes;
	*ret_length = output.length;
	return 0;
}
