#include "api/page_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
	pthread_mutex_t mutex;	      /* held while the page is read */
	char name[PAGE_NAME_MAX + 1]; /* "": it is empty */
	int64_t version;
	json_t *counts;	  /* owned reference; NULL: not known */
	struct text page; /* owned */
};

struct page_cache {
	size_t page_bytes_max, count;
	struct place places[];
};

struct page_cache *page_cache_new(size_t places, size_t page_bytes_max)
{
	struct page_cache *cache = calloc(1, sizeof(*cache) + places * sizeof(cache->places[0]));

	if (!cache)
		return NULL;
	cache->page_bytes_max = page_bytes_max;
	cache->count = places;
	for (size_t i = 0; i < places; i++)
		(void)pthread_mutex_init(&cache->places[i].mutex, NULL);
	return cache;
}

static void empty(struct place *place)
{
	*place->name = '\0';
	json_decref(place->counts);
	place->counts = NULL;
	text_fini(&place->page);
}

struct page_cache *page_cache_free(struct page_cache *cache)
{
	if (!cache)
		return NULL;
	for (size_t i = 0; i < cache->count; i++) {
		empty(&cache->places[i]);
		(void)pthread_mutex_destroy(&cache->places[i].mutex);
	}
	free(cache);
	return NULL;
}

static struct place *place_of(struct page_cache *cache, const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return &cache->places[hash % cache->count];
}

static void keep_counts(struct place *place, const json_t *counts)
{
	json_t *old = place->counts;

	place->counts = json_incref((json_t *)(uintptr_t)counts);
	json_decref(old);
}

static bool holds(struct place *place, const struct page_key *key)
{
	if (strcmp(place->name, key->name) != 0 || place->version < key->version)
		return false;
	if (place->counts == key->counts)
		return true;
	if (!place->counts || !key->counts || !json_equal(place->counts, key->counts))
		return false;
	keep_counts(place, key->counts); /* the next look is at the pointer alone */
	return true;
}

static int fill(struct place *place, const struct page_key *key, page_read_fn *read, void *data,
		struct error *reterr)
{
	int r;

	*place->name = '\0';
	place->page.length = 0;
	r = read(data, &place->page, reterr);
	if (r < 0 || place->page.failed) {
		empty(place);
		return r < 0 ? r : -ENOMEM;
	}
	(void)snprintf(place->name, sizeof(place->name), "%s", key->name);
	place->version = key->version;
	keep_counts(place, key->counts);
	return 0;
}

int page_cache_serve(struct page_cache *cache, const struct page_key *key, page_read_fn *read,
		     void *data, struct text *out, struct error *reterr)
{
	struct place *place;
	int r = 0;

	if (!*key->name || strlen(key->name) > PAGE_NAME_MAX)
		return read(data, out, reterr);
	place = place_of(cache, key->name);
	(void)pthread_mutex_lock(&place->mutex);
	if (!holds(place, key))
		r = fill(place, key, read, data, reterr);
	if (r == 0)
		text_add(out, place->page.bytes, place->page.length);
	if (place->page.length > cache->page_bytes_max)
		empty(place);
	(void)pthread_mutex_unlock(&place->mutex);
	return r;
}
