/* page_cache.h - the list that a thread has answered last, kept for as long as it is true.
 *
 * A list that is asked for over and over costs a look at whether the store has changed, and a copy.
 * Thread: the request's; each has its own.
 */
#ifndef API_PAGE_CACHE_H
#define API_PAGE_CACHE_H

#include <jansson.h>

#include "core/text.h"
#include "db/store.h"

enum { PAGE_NAME_MAX = 300 };

struct page_cache;

struct page_cache *page_cache_new(void);
struct page_cache *page_cache_free(struct page_cache *cache);
DEFINE_AUTO(page_cache, page_cache_free);

/* Does the page of this name still hold, beside these counts (NULL: not known)? Then it is added to
 * `out`. Otherwise the cache now stands at what the store has, and page_cache_keep() may follow.
 * False too when the name is "", `cache` is NULL, or the store does not say. The name must have all
 * that the page depends on: who asks as well, if it ever does. */
bool page_cache_find(struct page_cache *cache, struct store *store, const char *name,
		     const json_t *counts, struct text *out);
/* What was read after page_cache_find() said no. */
void page_cache_keep(struct page_cache *cache, const char *name, const json_t *counts,
		     const struct text *page);

#endif
