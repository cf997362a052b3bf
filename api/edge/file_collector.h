/* file_collector.h - a thread that removes what has had its time: expired files and answers kept
 * for whoever asks again every minute, and bytes that belong to no upload at the start and once a
 * day. Thread: main for the functions. */
#ifndef API_EDGE_FILE_COLLECTOR_H
#define API_EDGE_FILE_COLLECTOR_H

#include "api/api.h"

struct file_collector;

/* config and keeper of `shared` are borrowed. The store's errors, -EAGAIN, -ENOMEM */
int file_collector_start(const struct api *shared, struct file_collector **ret_collector,
			 struct error *reterr) MUST_CHECK;
/* Waits for what it is doing. */
struct file_collector *file_collector_stop(struct file_collector *collector);
DEFINE_AUTO(file_collector, file_collector_stop);

#endif
