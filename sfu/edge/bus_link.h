/* bus_link.h - the SFU on the bus: what realtimed asks is done on the right worker, what the rooms
 * have to say goes back.
 *
 * A room lives on the worker that its id hashes to; a large one has parts on others (parts.h,
 * placement.h). While realtimed is away the calls go on; when
 * it is back it is told in HELLO who is still here. Thread: main for life; callbacks on the bus
 * thread.
 */
#ifndef SFU_EDGE_BUS_LINK_H
#define SFU_EDGE_BUS_LINK_H

#include "core/bus_client.h"
#include "sfu/edge/worker.h"

enum { WORKERS_MAX = 256 };

struct workers {
	struct worker *worker[WORKERS_MAX];
	size_t count;
	size_t peers_per_worker; /* of one room, then others take their share; 0: never */
};

/* Can rooms have parts on several? */
bool workers_share_rooms(const struct workers *workers);
/* The room's home. */
struct worker *workers_of_room(const struct workers *workers, const char *room_id);

struct bus_link;

/* What the rooms call; `data` is the struct bus_link. */
extern const struct room_events bus_link_room_events;

/* Make the link, then the workers with it as room_events_data, then start it. `path` and `workers`
 * are borrowed; `worker_count` is how many there are going to be. */
struct bus_link *bus_link_new(const char *path, const struct workers *workers, size_t worker_count);
int bus_link_start(struct bus_link *link) MUST_CHECK;
/* Leave the bus: after this no worker gets commands. The workers may still call back, in vain. */
void bus_link_stop(struct bus_link *link);
struct bus_link *bus_link_free(struct bus_link *link);

#endif
