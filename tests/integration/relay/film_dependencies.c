#include "tests/integration/relay/film.h"

#include <string.h>

#include "tests/unit/sfu/bit_writer.h"

enum {
	TEMPORAL_LAYERS = 3,
	NOT_PRESENT = 0, /* decode target indications */
	DISCARDABLE = 1,
	SWITCH = 2,
	REQUIRED = 3,
	NEXT_TEMPORAL = 1, /* from one template to the next */
	NEXT_SPATIAL = 2,
	NO_MORE = 3
};

/* Those of each spatial layer. */
static const struct {
	uint8_t temporal_layer, pictures_back[FILM_NEEDS]; /* 0: none */
} templates[] = {{0, {0, 0}}, {0, {4, 0}}, {1, {2, 0}}, {2, {1, 0}}, {2, {3, 1}}};

/* How far back the frames are that one refers to, or a template. */
struct references {
	unsigned back[FILM_NEEDS + 1], count;
};

static uint8_t spatial_layers(const struct film *film)
{
	return film->is_svc ? FILM_LAYERS : 1;
}

uint8_t film_template_count(const struct film *film)
{
	return (uint8_t)(spatial_layers(film) * ARRAY_LEN(templates));
}

uint8_t film_template_index(const struct film *film, const struct film_mark *mark)
{
	uint8_t index = mark->temporal_layer + 1;

	if (mark->needs[0] == FILM_NOTHING)
		index = 0;
	else if (mark->needs[1] != FILM_NOTHING)
		index++;
	return (uint8_t)((film->is_svc ? mark->layer : 0) * ARRAY_LEN(templates) + index);
}

static bool is_first_of_layer(unsigned template)
{
	return template % ARRAY_LEN(templates) == 0;
}

static struct references references_of_template(const struct film *film, unsigned template)
{
	const uint8_t *pictures_back = templates[template % ARRAY_LEN(templates)].pictures_back;
	struct references references = {.count = 0};

	for (size_t i = 0; i < FILM_NEEDS; i++)
		if (pictures_back[i])
			references.back[references.count++] =
				pictures_back[i] * spatial_layers(film);
	if (template >= ARRAY_LEN(templates) && (is_first_of_layer(template) || !film->is_key_only))
		references.back[references.count++] = 1;
	return references;
}

static struct references references_of(const struct film_mark *mark)
{
	struct references references = {.count = 0};

	for (size_t i = 0; i < FILM_NEEDS; i++)
		if (mark->needs[i] != FILM_NOTHING)
			references.back[references.count++] =
				(uint16_t)(mark->frame_number - mark->needs_numbers[i]);
	if (mark->needs_below)
		references.back[references.count++] = 1;
	return references;
}

static bool are_the_same(const struct references *a, const struct references *b)
{
	return a->count == b->count && memcmp(a->back, b->back, a->count * sizeof(*a->back)) == 0;
}

static unsigned indication(const struct film *film, unsigned template, unsigned target)
{
	unsigned own = template / ARRAY_LEN(templates), spatial = target / TEMPORAL_LAYERS;
	unsigned temporal = templates[template % ARRAY_LEN(templates)].temporal_layer;

	if (spatial < own || target % TEMPORAL_LAYERS < temporal)
		return NOT_PRESENT;
	if (is_first_of_layer(template))
		return SWITCH;
	if (spatial > own)
		return film->is_key_only ? NOT_PRESENT : REQUIRED;
	/* Nobody refers to the highest one, nor to the one between while it is. */
	return temporal > 0 && target % TEMPORAL_LAYERS == temporal ? DISCARDABLE : SWITCH;
}

static void write_indications(const struct film *film, unsigned template, struct bit_writer *writer)
{
	for (unsigned i = 0; i < (unsigned)spatial_layers(film) * TEMPORAL_LAYERS; i++)
		put(writer, 2, indication(film, template, i));
}

static unsigned step_behind(const struct film *film, unsigned template)
{
	if (template + 1 == film_template_count(film))
		return NO_MORE;
	if (is_first_of_layer(template + 1))
		return NEXT_SPATIAL;
	return templates[template % ARRAY_LEN(templates)].temporal_layer <
			       templates[(template + 1) % ARRAY_LEN(templates)].temporal_layer
		       ? NEXT_TEMPORAL
		       : 0;
}

static void write_structure(const struct film *film, const struct film_stream *stream,
			    const struct film_mark *mark, struct bit_writer *writer)
{
	unsigned first = film->is_svc ? 0 : mark->layer;

	put(writer, 6, stream->template_offset);
	put(writer, 5, (unsigned)spatial_layers(film) * TEMPORAL_LAYERS - 1);
	for (unsigned i = 0; i < film_template_count(film); i++)
		put(writer, 2, step_behind(film, i));
	for (unsigned i = 0; i < film_template_count(film); i++)
		write_indications(film, i, writer);
	for (unsigned i = 0; i < film_template_count(film); i++) {
		struct references references = references_of_template(film, i);

		for (unsigned k = 0; k < references.count; k++)
			put(writer, 5, 0x10 | (references.back[k] - 1));
		put(writer, 1, 0);
	}
	/* No chains: ns(n) of one value more than there are targets, four or ten, is 0. */
	put(writer, film->is_svc ? 3 : 2, 0);
	put(writer, 1, 1);
	for (unsigned i = first; i < first + spatial_layers(film); i++) {
		put(writer, 16, film_sizes[i].width_px - 1u);
		put(writer, 16, film_sizes[i].height_px - 1u);
	}
}

static void write_references(const struct references *references, struct bit_writer *writer)
{
	for (unsigned i = 0; i < references->count; i++) {
		bool is_far = references->back[i] > 16;

		put(writer, 2, is_far ? 3 : 1);
		put(writer, is_far ? 12 : 4, references->back[i] - 1);
	}
	put(writer, 2, 0);
}

size_t film_dependencies_write(const struct film *film, const struct film_stream *stream,
			       const struct film_mark *mark, uint8_t out[FILM_DEPENDENCIES_MAX])
{
	struct references own = references_of(mark),
			  usual = references_of_template(film, mark->template_index);
	bool has_structure = mark->is_keyframe && mark->packet_index == 0 && !mark->needs_below;
	bool has_references = film->is_flexible || !are_the_same(&own, &usual);
	bool has_targets = film->is_svc && film->active_layers < FILM_LAYERS;
	struct bit_writer writer = {.at = 0};

	put(&writer, 1, mark->packet_index == 0);
	put(&writer, 1, mark->packet_index + 1 == mark->packet_count);
	put(&writer, 6, mark->template_id);
	put(&writer, 16, mark->frame_number);
	if (has_structure || has_references || has_targets) {
		put(&writer, 1, has_structure);
		put(&writer, 1, has_targets);
		put(&writer, 1, film->is_flexible); /* indications */
		put(&writer, 1, has_references);
		put(&writer, 1, 0); /* chains */
		if (has_structure)
			write_structure(film, stream, mark, &writer);
		if (has_targets)
			put(&writer, FILM_LAYERS * TEMPORAL_LAYERS,
			    (1u << film->active_layers * TEMPORAL_LAYERS) - 1);
		if (film->is_flexible)
			write_indications(film, mark->template_index, &writer);
		if (has_references)
			write_references(&own, &writer);
	}
	assert_in_range(written_bytes(&writer), 1, FILM_DEPENDENCIES_MAX - 8);
	memcpy(out, writer.bytes, written_bytes(&writer));
	return written_bytes(&writer);
}
