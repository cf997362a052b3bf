/* placement.h - which worker each peer of a room lives on.
 *
 * A room begins on the worker that its id hashes to, its home. When so many of its peers live there
 * as are enough for one core, who comes next goes to the worker that has the fewest of them. Every
 * entry is forgotten when its peer has gone.
 *
 * Thread: any.
 */
#ifndef SFU_MODEL_PLACEMENT_H
#define SFU_MODEL_PLACEMENT_H

#include <stddef.h>

#include "core/cleanup.h"

struct placement;

/* `peers_per_worker` 0: rooms stay at home, and nothing is remembered. NULL without memory. */
struct placement *placement_new(size_t worker_count, size_t peers_per_worker);
struct placement *placement_free(struct placement *placement);

/* Where a room without a placement is looked for. */
size_t placement_home(const char *room_id, size_t worker_count);

/* A peer comes: where it is to live, from now on known. Who is there stays there. */
size_t placement_choose(struct placement *placement, const char *room_id, const char *peer_id);
/* Where it lives; its room's home if that is not known. */
size_t placement_find(struct placement *placement, const char *room_id, const char *peer_id);
/* It has come to live there. */
void placement_confirm(struct placement *placement, const char *room_id, const char *peer_id,
		       size_t worker);
void placement_forget(struct placement *placement, const char *room_id, const char *peer_id);
void placement_forget_room(struct placement *placement, const char *room_id);

#endif
