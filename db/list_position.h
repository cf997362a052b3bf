/* list_position.h - where a page of a list begins that goes by age: behind the item that was made
 * at this time under this id. All zero: at the start. */
#ifndef DB_LIST_POSITION_H
#define DB_LIST_POSITION_H

#include <stdint.h>

#include "core/id.h"

struct list_position {
	int64_t created_at_unix_ms;
	char id[ROOM_ID_MAX + 1]; /* a room's is the longest */
};

#endif
