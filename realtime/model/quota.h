/* quota.h - how many of something each of many may have at once: connections of an address, of a
 * user. An entry lives as long as it counts something. Thread: loop. */
#ifndef REALTIME_MODEL_QUOTA_H
#define REALTIME_MODEL_QUOTA_H

#include "core/cleanup.h"
#include "realtime/model/table.h"

struct quota {
	struct table entries; /* of struct quota_entry.by_name */
	size_t limit;	      /* 0: none */
};

struct quota_entry {
	struct table_link by_name;
	size_t count;
	char name[];
};

/* -ENOMEM */
int quota_init(struct quota *quota, size_t limit) MUST_CHECK;
/* Everything must have been released. */
void quota_fini(struct quota *quota);

/* One more for `name`; to be released. *ret_entry NULL: nothing is counted, for want of a limit or
 * of a name.
 *   -EDQUOT it has as many as it may   -ENOMEM */
int quota_take(struct quota *quota, const char *name, struct quota_entry **ret_entry) MUST_CHECK;
/* `entry` may be NULL. Returns NULL. */
struct quota_entry *quota_release(struct quota *quota, struct quota_entry *entry);

#endif
