#include "api/page_cache.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES_MAX = 256 << 10 };

struct page_cache {
	char name[PAGE_NAME_MAX + 1]; /* "": nothing is kept */
	struct store_state state;     /* before the page was read */
	json_t *counts;		      /* owned reference; NULL: not known */
	struct text page;	      /* owned */
};

struct page_cache *page_cache_new(void)
{
	return calloc(1, sizeof(struct page_cache));
}

struct page_cache *page_cache_free(struct page_cache *cache)
{
	if (!cache)
		return NULL;
	json_decref(cache->counts);
	text_fini(&cache->page);
	free(cache);
	return NULL;
}

static bool is_same_counts(const json_t *a, const json_t *b)
{
	return a == b || (a && b && json_equal(a, b));
}

bool page_cache_find(struct page_cache *cache, struct store *store, const char *name,
		     const json_t *counts, struct text *out)
{
	struct store_state state;

	if (!cache)
		return false;
	if (store_state_get(store, &state, NULL) < 0) {
		*cache->name = '\0';
		return false;
	}
	if (strcmp(cache->name, name) == 0 && *name && store_state_is_same(&state, &cache->state) &&
	    is_same_counts(counts, cache->counts)) {
		text_add(out, cache->page.bytes, cache->page.length);
		return true;
	}
	*cache->name = '\0';
	cache->state = state;
	return false;
}

void page_cache_keep(struct page_cache *cache, const char *name, const json_t *counts,
		     const struct text *page)
{
	if (!cache || page->failed || page->length > PAGE_BYTES_MAX || strlen(name) > PAGE_NAME_MAX)
		return;
	text_fini(&cache->page);
	text_add(&cache->page, page->bytes, page->length);
	json_decref(cache->counts);
	cache->counts = json_incref((json_t *)(uintptr_t)counts);
	if (!cache->page.failed)
		(void)snprintf(cache->name, sizeof(cache->name), "%s", name);
}
