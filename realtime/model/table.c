#include "realtime/model/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/id.h"

enum { FIRST_BUCKETS = 64, FULL_LINKS_PER_BUCKET = 1 };

/* FNV-1a over the seed and the name, with a final mix so that the low bits depend on all. */
static uint64_t hash_of(const struct table *table, const char *key)
{
	uint64_t hash = 0xcbf29ce484222325u ^ table->seed;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
	hash ^= hash >> 32;
	hash *= 0xd6e8feb86659fd93u;
	return hash ^ hash >> 32;
}

static struct table_link **bucket_of(const struct table *table, uint64_t hash)
{
	return &table->buckets[hash & (table->bucket_count - 1)];
}

int table_init(struct table *table)
{
	*table = (struct table){.bucket_count = FIRST_BUCKETS};
	table->buckets = calloc(FIRST_BUCKETS, sizeof(struct table_link *));
	if (!table->buckets)
		return -ENOMEM;
	random_bytes(&table->seed, sizeof(table->seed));
	return 0;
}

void table_fini(struct table *table)
{
	free(table->buckets);
	*table = (struct table){0};
}

struct table_link *table_find(const struct table *table, const char *key)
{
	uint64_t hash = hash_of(table, key);
	struct table_link *link = *bucket_of(table, hash);

	while (link && (link->hash != hash || strcmp(link->key, key) != 0))
		link = link->next;
	return link;
}

static void insert(struct table *table, struct table_link *link)
{
	struct table_link **bucket = bucket_of(table, link->hash);

	link->next = *bucket;
	*bucket = link;
}

static void grow(struct table *table)
{
	struct table old = *table;
	struct table_link **buckets = calloc(old.bucket_count * 2, sizeof(*buckets));

	if (!buckets)
		return;
	table->buckets = buckets;
	table->bucket_count *= 2;
	for (size_t i = 0; i < old.bucket_count; i++) {
		while (old.buckets[i]) {
			struct table_link *link = old.buckets[i];

			old.buckets[i] = link->next;
			insert(table, link);
		}
	}
	free(old.buckets);
}

void table_add(struct table *table, const char *key, struct table_link *link)
{
	if (table->count >= table->bucket_count * FULL_LINKS_PER_BUCKET)
		grow(table);
	link->key = key;
	link->hash = hash_of(table, key);
	insert(table, link);
	table->count++;
}

void table_remove(struct table *table, struct table_link *link)
{
	struct table_link **at = bucket_of(table, link->hash);

	while (*at != link) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = link->next;
	table->count--;
}

struct table_link *table_first(const struct table *table)
{
	for (size_t i = 0; i < table->bucket_count; i++)
		if (table->buckets[i])
			return table->buckets[i];
	return NULL;
}

void table_for_each(const struct table *table, void (*visit)(void *data, struct table_link *link),
		    void *data)
{
	for (size_t i = 0; i < table->bucket_count; i++) {
		for (struct table_link *link = table->buckets[i], *next; link; link = next) {
			next = link->next;
			visit(data, link);
		}
	}
}

static int compare_keys(const void *a, const void *b)
{
	const struct table_link *const *first = a, *const *second = b;

	return strcmp((*first)->key, (*second)->key);
}

struct table_link **table_sort(const struct table *table, const char *after,
			       bool (*is_wanted)(const void *data, struct table_link *link),
			       const void *data, size_t *ret_count)
{
	struct table_link **links = calloc(table->count + 1, sizeof(struct table_link *));
	size_t count = 0;

	if (!links)
		return NULL;
	for (size_t i = 0; i < table->bucket_count; i++)
		for (struct table_link *link = table->buckets[i]; link; link = link->next)
			if ((!after || strcmp(link->key, after) > 0) && is_wanted(data, link))
				links[count++] = link;
	qsort(links, count, sizeof(struct table_link *), compare_keys);
	*ret_count = count;
	return links;
}
