#include "tests/integration/relay/film.h"

enum {
	VP8_BYTES = 6, /* X, I with 15 bits, L, T and K */
	AV1_BYTES = 1,
	AV1_NEW_SEQUENCE = 0x08
};

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

/* The sizes of all layers of the stream (V), from `first` on. Returns where they end. */
static uint8_t *write_sizes(uint8_t *out, unsigned first, unsigned layer_count)
{
	*out++ = (uint8_t)((layer_count - 1) << 5 | 0x10);
	for (unsigned i = first; i < first + layer_count; i++) {
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
static size_t write_vp9(const struct film *film, const struct film_stream *stream,
			const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX])
{
	uint8_t spatial_layer = film->is_svc ? mark->layer : 0;
	bool is_predicted = mark->needs[0] != FILM_NOTHING;
	bool is_first = mark->packet_index == 0;
	bool is_last = mark->packet_index + 1 == mark->packet_count;
	bool tells_sizes = mark->is_keyframe && spatial_layer == 0 && is_first;
	uint8_t *end = out;

	*end++ = (uint8_t)(0xa0 | is_predicted << 6 | film->is_flexible << 4 | is_first << 3 |
			   is_last << 2 | tells_sizes << 1);
	*end++ = (uint8_t)(0x80 | (stream->picture_id >> 8 & 0x7f));
	*end++ = (uint8_t)stream->picture_id;
	*end++ = (uint8_t)(mark->temporal_layer << 5 | 0x10 | spatial_layer << 1 |
			   mark->needs_below);
	if (film->is_flexible)
		end = write_references(end, mark);
	else
		*end++ = stream->tl0_index;
	if (tells_sizes)
		end = write_sizes(end, mark->layer, film->is_svc ? film->active_layers : 1);
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

static size_t write_av1(const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX])
{
	bool begins = mark->is_keyframe && mark->packet_index == 0 && !mark->needs_below;

	out[0] = begins ? AV1_NEW_SEQUENCE : 0;
	return AV1_BYTES;
}

static struct film_numbers read_av1(struct slice dependencies)
{
	assert_true(dependencies.length >= 3);
	return (struct film_numbers){
		.picture_id = (uint16_t)(dependencies.data[1] << 8 | dependencies.data[2]),
		.is_frame_start = dependencies.data[0] & 0x80,
		.is_frame_end = dependencies.data[0] & 0x40,
		.template_id = dependencies.data[0] & 0x3f,
		.is_extended = dependencies.length > 3,
		.descriptor_bytes = AV1_BYTES};
}

struct film_numbers film_numbers_read(uint8_t video, struct slice dependencies,
				      const uint8_t *payload)
{
	if (video == LOAD_AV1)
		return read_av1(dependencies);
	return video == LOAD_VP9 ? read_vp9(payload) : read_vp8(payload);
}

size_t film_descriptor_write(const struct film *film, const struct film_stream *stream,
			     const struct film_mark *mark, uint8_t out[FILM_DESCRIPTOR_MAX])
{
	if (film->publisher.video == LOAD_AV1)
		return write_av1(mark, out);
	return film->publisher.video == LOAD_VP9 ? write_vp9(film, stream, mark, out)
						 : write_vp8(stream, mark, out);
}
