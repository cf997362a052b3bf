/* search_indexer.h - a thread that follows the stored messages and takes them into the index that
 * is searched (db/message_search.h). While others write it works little of the time, so that they
 * hardly wait for it, and catches up afterwards. Thread: main for the functions. */
#ifndef API_EDGE_SEARCH_INDEXER_H
#define API_EDGE_SEARCH_INDEXER_H

#include "api/api.h"

struct search_indexer;

/* config and namespaces of `shared` are borrowed. The store's errors, -EAGAIN, -ENOMEM */
int search_indexer_start(const struct api *shared, struct search_indexer **ret_indexer,
			 struct error *reterr) MUST_CHECK;
struct search_indexer *search_indexer_stop(struct search_indexer *indexer);
DEFINE_AUTO(search_indexer, search_indexer_stop);

#endif
