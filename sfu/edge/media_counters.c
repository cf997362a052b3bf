#include "sfu/edge/media_counters.h"

#include "core/cleanup.h"

void media_counters_add(struct media_counters *sum, const struct media_counters *more)
{
#define X(name) sum->name += more->name;
	MEDIA_COUNTERS(X)
#undef X
}

static void add(json_t *told, const char *name, uint64_t count)
{
	(void)json_object_set_new(told, name, json_integer((json_int_t)count));
}

json_t *media_counters_to_json(const struct media_counters *counters)
{
	json_t *told = json_object();

#define X(name) add(told, #name, counters->name);
	MEDIA_COUNTERS(X)
#undef X
	return told;
}

json_t *tally_to_json(const struct tally *tally)
{
	json_t *told = json_object();

	for (size_t i = 0; i < tally->item_count; i++)
		add(told, tally->items[i].name, tally->items[i].count);
	return told;
}

json_t *histogram_to_json(const struct histogram *histogram)
{
	json_t *counts = json_array();

	for (size_t i = 0; i < ARRAY_LEN(histogram->counts); i++)
		(void)json_array_append_new(counts, json_integer((json_int_t)histogram->counts[i]));
	return json_pack("{s:I, s:o}", "sum_us", (json_int_t)histogram->sum_us, "counts", counts);
}
