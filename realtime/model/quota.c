#include "realtime/model/quota.h"

#include <errno.h>
#include <string.h>

int quota_init(struct quota *quota, size_t limit)
{
	quota->limit = limit;
	return table_init(&quota->entries);
}

void quota_fini(struct quota *quota)
{
	table_fini(&quota->entries);
}

int quota_take(struct quota *quota, const char *name, struct quota_entry **ret_entry)
{
	struct table_link *link;
	struct quota_entry *entry;
	size_t size = strlen(name) + 1;

	*ret_entry = NULL;
	if (quota->limit == 0 || size == 1)
		return 0;
	link = table_find(&quota->entries, name);
	entry = link ? TABLE_ITEM(link, struct quota_entry, by_name) : NULL;
	if (entry && entry->count >= quota->limit)
		return -EDQUOT;
	if (!entry) {
		entry = calloc(1, sizeof(*entry) + size);
		if (!entry)
			return -ENOMEM;
		memcpy(entry->name, name, size);
		table_add(&quota->entries, entry->name, &entry->by_name);
	}
	entry->count++;
	*ret_entry = entry;
	return 0;
}

struct quota_entry *quota_release(struct quota *quota, struct quota_entry *entry)
{
	if (!entry || --entry->count > 0)
		return NULL;
	table_remove(&quota->entries, &entry->by_name);
	free(entry);
	return NULL;
}
