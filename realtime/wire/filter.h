/* filter.h - what of a channel a subscriber wants (`filters` of protocol section 3): binary
 * messages by size and type, notifications by type. Messages that are plain JSON always pass.
 *
 * Compiled once, counted, shared by the subscriptions of one request. Thread: loop.
 */
#ifndef REALTIME_WIRE_FILTER_H
#define REALTIME_WIRE_FILTER_H

#include <jansson.h>

#include "core/error.h"
#include "realtime/wire/publication.h"

enum { FILTER_ITEMS_MAX = 32, FILTER_ITEM_BYTES_MAX = 128 };

struct filter;

/* Of {binary_data?, max_file_size?, allowed_types?, notification_types?}; one reference, the
 * caller's. *ret_filter is NULL if it lets everything pass. -EINVAL "bad_field" (reterr->field
 * names it)   -ENOMEM */
int filter_new(const json_t *object, struct filter **ret_filter, struct error *reterr) MUST_CHECK;
struct filter *filter_ref(struct filter *filter); /* NULL stays NULL */
struct filter *filter_unref(struct filter *filter);
DEFINE_AUTO(filter, filter_unref);

/* `filter` NULL: yes. */
bool filter_admits(const struct filter *filter, const struct publication *publication);

#endif
