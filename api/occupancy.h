/* occupancy.h - how many are in each room, as realtimed says.
 *
 * Rooms are read far more often than anybody comes or goes, and asking realtimed costs more than
 * all the rest of such an answer. So what it has said serves every thread for 20 ms, and those who
 * come while one asks again for 20 ms more. Thread: any.
 */
#ifndef API_OCCUPANCY_H
#define API_OCCUPANCY_H

#include <jansson.h>

#include "core/bus_client.h"

struct occupancy;

struct occupancy *occupancy_new(void);
struct occupancy *occupancy_free(struct occupancy *occupancy);
DEFINE_AUTO(occupancy, occupancy_free);

/* {room_id: count} of all rooms with somebody in them, a new reference, not to be changed; NULL
 * when realtimed does not say (or `occupancy` is NULL). */
json_t *occupancy_get(struct occupancy *occupancy, struct bus_client *realtimed);

#endif
