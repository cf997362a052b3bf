/* room_lookup.h - read a room from the store (or make it, where that is allowed) on the store's
 * thread, for somebody who wants to join. Thread: loop. */
#ifndef REALTIME_EDGE_ROOM_LOOKUP_H
#define REALTIME_EDGE_ROOM_LOOKUP_H

#include "core/config.h"
#include "realtime/edge/store_thread.h"
#include "realtime/model/switchboard.h"

/* `error` NULL: *facts are the room's. `ticket` is what was given. */
typedef void (*room_lookup_fn)(void *data, const char *ticket, const struct room_facts *facts,
			       const struct error *error);

/* `may_create`: make a missing room with the defaults of `config`. `ticket` is copied: by it the
 * asker is found again. Fails like store_thread_submit_take(); `done` gets -ENOENT
 * "room_not_found", -EUSERS "too_many_rooms" and the store's own errors. */
int room_lookup(struct store_thread *thread, const struct config *config, const char *room_id,
		bool may_create, const char *ticket, room_lookup_fn done, void *data,
		struct error *reterr) MUST_CHECK;

#endif
