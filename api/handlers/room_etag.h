/* room_etag.h - the entity tag of a room (RFC 9110 section 8.8.3).
 *
 *   "<created_at, hex>-<version>-<participants, or x>"
 *
 * The first two tell what is stored: a room made anew under an old id does not pass for it. The
 * third changes what a reader sees, so it counts for If-None-Match; a writer's If-Match is about
 * what is stored alone. Pure. Thread: any.
 */
#ifndef API_HANDLERS_ROOM_ETAG_H
#define API_HANDLERS_ROOM_ETAG_H

#include <stdbool.h>
#include <stdint.h>

#include "db/rooms.h"

enum { ROOM_ETAG_SIZE = 80 };

/* `participants` < 0: not known at the moment. */
void room_etag_format(const struct room_row *room, int64_t participants,
		      char ret_etag[ROOM_ETAG_SIZE]);

/* Does a list of tags, If-None-Match's value, have this one (or is it `*`)? Weak ones count: a
 * front that compresses makes ours weak. */
bool room_etag_is_listed(const char *list, const char *etag);

/* May a change conditional on If-Match's `list` be made to the room? */
bool room_etag_allows_change(const char *list, const struct room_row *room);

#endif
