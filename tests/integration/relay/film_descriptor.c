#include "tests/integration/relay/film.h"

enum { VP8_BYTES = 6 }; /* X, I with 15 bits, L, T and K */

static size_t write_vp8(const struct film_stream *stream, const struct film_mark *mark,
			uint8_t out[FILM_DESCRIPTOR_MAX])
{
	/* The second one of the highest refers to the one between as well. */
	bool needs_base_alone = mark->temporal_layer > 0 && mark->needs[1] == FILM_NOTHING;

	out[0] = mark->packet_index == 0 ? 0x90 : 0x80;
	out[1] = 0xf0;
	out[2] = (uint8_t)(0x80 | (stream->picture_id >> 8 & 0x7f));
	out[3] = (uint8_t)stream->picture_id;
	out[4] = stream->tl0_index;
	out[5] = (uint8_t)(mark->temporal_layer << 6 | needs_base_alone << 5 |
			   (stream->key_index & 0x1f));
	return VP8_BYTES;
}

/* The sizes of all layers (V). Returns where they end. */
static uint8_t *write_sizes(uint8_t *out, unsigned layer_count)
{
	*out++ = (uint8_t)((layer_count - 1) << 5 | 0x10);
	for (unsigned i = 0; i < layer_count; i++) {
		*out++ = (uint8_t)(film_sizes[i].width_px >> 8);
		*out++ = (uint8_t)film_sizes[i].width_px;
		*out++ = (uint8_t)(film_sizes[i].height_px >> 8);
		*out++ = (uint8_t)film_sizes[i].height_px;
	}
	return out;
}

/* How many pictures back those are that it refers to. Returns where that ends. */
static uint8_t *write_references(uint8_t *out, const struct film_mark *mark)
{
	for (size_t i = 0; i < FILM_NEEDS && mark->needs[i] != FILM_NOTHING; i++) {
		bool has_more = i + 1 < FILM_NEEDS && mark->needs[i + 1] != FILM_NOTHING;

		*out++ = (uint8_t)((mark->picture - mark->needs[i]) << 1 | has_more);
	}
	return out;
}

/* RFC 9628 section 4.2. Every picture lets its receiver switch up (U). */
static size_t write_vp9(const struct film *film, const struct film_mark *mark,
			uint8_t out[FILM_DESCRIPTOR_MAX])
{
	const struct film_stream *stream = &film->streams[0];
	bool is_predicted = mark->needs[0] != FILM_NOTHING;
	bool is_first = mark->packet_index == 0;
	bool is_last = mark->packet_index + 1 == mark->packet_count;
	bool tells_sizes = mark->is_keyframe && mark->layer == 0 && is_first;
	uint8_t *end = out;

	*end++ = (uint8_t)(0xa0 | is_predicted << 6 | film->is_flexible << 4 | is_first << 3 |
			   is_last << 2 | tells_sizes << 1);
	*end++ = (uint8_t)(0x80 | (stream->picture_id >> 8 & 0x7f));
	*end++ = (uint8_t)stream->picture_id;
	*end++ = (uint8_t)(mark->temporal_layer << 5 | 0x10 | mark->layer << 1 | mark->needs_below);
	if (film->is_flexible)
		end = write_references(end, mark);
	else
		*end++ = stream->tl0_index;
	if (tells_sizes)
		end = write_sizes(end, film->active_layers);
	return (size_t)(end - out);
}

static struct film_numbers read_vp8(const uint8_t *payload)
{
	return (struct film_numbers){.picture_id =
					     (uint16_t)((payload[2] & 0x7f) << 8 | payload[3]),
				     .temporal_layer = payload[5] >> 6,
				     .tl0_index = payload[4],
				     .key_index = payload[5] & 0x1f,
				     .has_tl0_index = true,
				     .descriptor_bytes = VP8_BYTES};
}

static struct film_numbers read_vp9(const uint8_t *payload)
{
	struct film_numbers numbers = {.picture_id =
					       (uint16_t)((payload[1] & 0x7f) << 8 | payload[2]),
				       .temporal_layer = payload[3] >> 5,
				       .spatial_layer = payload[3] >> 1 & 7,
				       .has_tl0_index = !(payload[0] & 0x10)};
	unsigned at = 4;

	if (numbers.has_tl0_index)
		numbers.tl0_index = payload[at++];
	else if (payload[0] & 0x40)
		while (payload[at++] & 1)
			;
	if (payload[0] & 0x02)
		at += 1 + 4 * (1u + (payload[at] >> 5));
	numbers.descriptor_bytes = (uint8_t)at;
	return numbers;
}

struct film_numbers film_numbers_read(const uint8_t *payload, bool is_svc)
{
	return is_svc ? read_vp9(payload) : read_vp8(payload);
}

size_t film_descriptor_write(const struct film *film, const struct film_stream *stream,
			     const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX])
{
	return film->is_svc ? write_vp9(film, mark, out) : write_vp8(stream, mark, out);
}
