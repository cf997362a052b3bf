#include "sfu/wire/dependency_descriptor.h"

#include <errno.h>

#include "sfu/wire/bits.h"
#include "sfu/wire/picture_numbers.h"

enum {
	MANDATORY_BYTES = 3,
	LAST_TEMPLATE = 3, /* next_layer_idc */
	NEXT_TEMPORAL = 1,
	NEXT_SPATIAL = 2,
	DTI_NOT_PRESENT = 0, /* decode target indications */
	DTI_SWITCH = 2,
	DEPENDENCY_SPATIAL_MAX = 3,
	TEMPLATE_IDS = 64
};

/* ---- the structure ---- */

static void read_template_layers(struct bit_reader *reader, struct dependency_structure *structure)
{
	uint8_t temporal = 0, spatial = 0;
	uint32_t next;

	do {
		if (structure->template_count >= DEPENDENCY_TEMPLATES_MAX ||
		    temporal > TEMPORAL_LAYER_MAX || spatial > DEPENDENCY_SPATIAL_MAX) {
			reader->failed = true;
			return;
		}
		structure->templates[structure->template_count++] = (struct dependency_template){
			.spatial_layer = spatial, .temporal_layer = temporal};
		next = read_bits(reader, 2);
		if (next == NEXT_TEMPORAL) {
			temporal++;
		} else if (next == NEXT_SPATIAL) {
			temporal = 0;
			spatial++;
		}
	} while (next != LAST_TEMPLATE && !reader->failed);
}

/* The indications of a template or a picture: two bits for each target; as bits those that are 1
 * where a receiver may switch to the target, and where the picture is part of it. */
struct indications {
	uint32_t switches, parts;
};

static struct indications read_indications(struct bit_reader *reader, unsigned target_count)
{
	struct indications found = {0, 0};

	for (unsigned i = 0; i < target_count; i++) {
		uint32_t indication = read_bits(reader, 2);

		found.switches |= indication == DTI_SWITCH ? 1u << i : 0;
		found.parts |= indication != DTI_NOT_PRESENT ? 1u << i : 0;
	}
	return found;
}

/* Of the targets with the picture's own spatial layer. */
static uint8_t switch_to(const struct dependency_structure *structure, uint32_t switches,
			 uint8_t spatial_layer)
{
	uint8_t highest = 0;

	for (unsigned i = 0; i < structure->target_count; i++)
		if (switches & 1u << i && structure->targets[i].spatial_layer == spatial_layer &&
		    structure->targets[i].temporal_layer > highest)
			highest = structure->targets[i].temporal_layer;
	return highest;
}

/* A target's layers are the highest of what is part of it. */
static void read_template_indications(struct bit_reader *reader,
				      struct dependency_structure *structure)
{
	struct indications found[DEPENDENCY_TEMPLATES_MAX];

	for (unsigned t = 0; t < structure->template_count; t++) {
		const struct dependency_template *template = &structure->templates[t];

		found[t] = read_indications(reader, structure->target_count);
		for (unsigned i = 0; i < structure->target_count; i++) {
			if (!(found[t].parts & 1u << i))
				continue;
			if (template->temporal_layer > structure->targets[i].temporal_layer)
				structure->targets[i].temporal_layer = template->temporal_layer;
			if (template->spatial_layer > structure->targets[i].spatial_layer)
				structure->targets[i].spatial_layer = template->spatial_layer;
		}
	}
	for (unsigned t = 0; t < structure->template_count; t++)
		structure->templates[t].switch_to = switch_to(
			structure, found[t].switches, structure->templates[t].spatial_layer);
}

static void read_template_references(struct bit_reader *reader,
				     struct dependency_structure *structure)
{
	for (unsigned t = 0; t < structure->template_count; t++)
		while (read_flag(reader)) {
			(void)read_bits(reader, 4); /* how far back */
			structure->templates[t].has_references = true;
		}
}

/* By them a receiver sees whether it has lost what it needs: nothing to us. */
static void skip_chains(struct bit_reader *reader, const struct dependency_structure *structure)
{
	uint32_t chain_count = read_non_symmetric(reader, structure->target_count + 1u);

	if (chain_count == 0)
		return;
	for (unsigned i = 0; i < structure->target_count; i++)
		(void)read_non_symmetric(reader, chain_count);
	skip_bits(reader, (size_t)structure->template_count * chain_count * 4);
}

static void read_sizes(struct bit_reader *reader, struct dependency_structure *structure)
{
	unsigned spatial_max = structure->templates[structure->template_count - 1].spatial_layer;

	if (!read_flag(reader))
		return;
	for (unsigned i = 0; i <= spatial_max; i++) {
		uint32_t width_px = read_bits(reader, 16) + 1,
			 height_px = read_bits(reader, 16) + 1;

		/* 65,536 does not fit, nor does anybody send it. */
		if (width_px > UINT16_MAX || height_px > UINT16_MAX)
			reader->failed = true;
		picture_sizes_add(&structure->sizes,
				  (struct picture_size){(uint16_t)width_px, (uint16_t)height_px});
	}
}

static void read_structure(struct bit_reader *reader, struct dependency_structure *structure)
{
	structure->template_id_offset = (uint8_t)read_bits(reader, 6);
	structure->target_count = (uint8_t)(read_bits(reader, 5) + 1);
	read_template_layers(reader, structure);
	if (reader->failed)
		return;
	read_template_indications(reader, structure);
	read_template_references(reader, structure);
	skip_chains(reader, structure);
	read_sizes(reader, structure);
	structure->is_known = !reader->failed;
}

/* ---- one packet ---- */

/* Returns whether there are any. */
static bool read_frame_references(struct bit_reader *reader)
{
	bool has_references = false;
	uint32_t size;

	while ((size = read_bits(reader, 2)) != 0) {
		(void)read_bits(reader, size * 4); /* how far back */
		has_references = true;
	}
	return has_references;
}

/* The frame's template. Ids of structures that came before or will come lie before or behind those
 * of this one. */
static void find_template(struct bit_reader *reader, const struct dependency_structure *structure,
			  unsigned template_id, int64_t frame,
			  struct dependency_descriptor *descriptor)
{
	unsigned count = structure->template_count;
	unsigned ahead =
		(template_id + TEMPLATE_IDS - structure->template_id_offset) % TEMPLATE_IDS;

	if (count == 0 || (descriptor->has_structure && ahead >= count)) {
		reader->failed = true;
		return;
	}
	if (ahead >= count && frame < structure->frame)
		ahead = count - 1 - (TEMPLATE_IDS - 1 - ahead) % count;
	descriptor->frame = structure->templates[ahead % count];
}

/* What stands behind the mandatory fields, by the structure it brings or the one that is known. */
static void read_extended(struct bit_reader *reader, const struct dependency_structure *known,
			  unsigned template_id, struct dependency_structure *brought,
			  struct dependency_descriptor *descriptor)
{
	const struct dependency_structure *structure = known;
	bool has_targets, has_indications, has_references;

	descriptor->has_structure = read_flag(reader);
	has_targets = read_flag(reader);
	has_indications = read_flag(reader);
	has_references = read_flag(reader);
	(void)read_flag(reader); /* chains of its own: they come last */
	if (descriptor->has_structure) {
		read_structure(reader, brought);
		structure = brought;
	}
	find_template(reader, structure, template_id, brought->frame, descriptor);
	if (reader->failed)
		return;
	if (has_targets)
		skip_bits(reader, structure->target_count);
	if (has_indications)
		descriptor->frame.switch_to = switch_to(
			structure, read_indications(reader, structure->target_count).switches,
			descriptor->frame.spatial_layer);
	if (has_references)
		descriptor->frame.has_references = read_frame_references(reader);
}

/* Whichever is nearest to the newest. */
static int64_t unwrap(const struct dependency_structure *structure, uint16_t frame_number)
{
	int64_t newest = structure->newest_frame;

	return structure->is_known ? newest + (int16_t)(frame_number - (uint16_t)newest)
				   : frame_number;
}

int dependency_descriptor_decode(struct slice element, struct dependency_structure *structure,
				 struct dependency_descriptor *ret_descriptor)
{
	struct bit_reader reader = bit_reader_over(element.data, element.length);
	struct dependency_descriptor descriptor = {0};
	struct dependency_structure brought = {0};
	int64_t newest_frame = structure->newest_frame;
	unsigned template_id;

	descriptor.is_frame_start = read_flag(&reader);
	descriptor.is_frame_end = read_flag(&reader);
	template_id = read_bits(&reader, 6);
	descriptor.frame_number = (uint16_t)read_bits(&reader, 16);
	brought.frame = unwrap(structure, descriptor.frame_number);
	if (element.length > MANDATORY_BYTES)
		read_extended(&reader, structure, template_id, &brought, &descriptor);
	else
		find_template(&reader, structure, template_id, brought.frame, &descriptor);
	if (reader.failed)
		return -EBADMSG;
	if (!structure->is_known || brought.frame > newest_frame)
		newest_frame = brought.frame;
	/* A straggler may bring one that is over. */
	if (descriptor.has_structure && (!structure->is_known || brought.frame >= structure->frame))
		*structure = brought;
	structure->newest_frame = newest_frame;
	*ret_descriptor = descriptor;
	return 0;
}
