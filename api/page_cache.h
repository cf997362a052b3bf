/* page_cache.h - lists and rooms that were answered lately, kept for as long as they are true.
 *
 * One that is asked for over and over costs a look at whether it has changed, and a copy; after
 * a change one request reads it anew and the others wait for that. Which pages share a place is a
 * matter of their names: the newer one has it.
 *
 * Thread: any; shared by all.
 */
#ifndef API_PAGE_CACHE_H
#define API_PAGE_CACHE_H

#include <jansson.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/text.h"

enum { PAGE_NAME_MAX = 300 };

struct page_cache;

/* Of so many pages, none of them larger than that; what is larger is written each time. */
struct page_cache *page_cache_new(size_t places, size_t page_bytes_max);
struct page_cache *page_cache_free(struct page_cache *cache);
DEFINE_AUTO(page_cache, page_cache_free);

/* What a page depends on. `name` must have all that it depends on besides: who asks as well, if it
 * ever does. "": not to be kept. */
struct page_key {
	const char *name;
	int64_t version; /* grows with every change of what is listed; told before it is read */
	const json_t *counts; /* NULL: not known */
};

/* Write the page as it is now, at least as new as the version. */
typedef int page_read_fn(void *data, struct text *out, struct error *reterr);

/* Add the page to `out`: the one that is kept, or what `read` writes. Its errors are passed on. */
int page_cache_serve(struct page_cache *cache, const struct page_key *key, page_read_fn *read,
		     void *data, struct text *out, struct error *reterr) MUST_CHECK;

#endif
