/* ban_watch.h - bans, however they came into the store, hold for those who are in a room already:
 * the API says so at once when it makes one, but it may be us who were away, or an admin with SQL.
 * Once a second the store is asked whether others have written to it; only then is it looked at who
 * of those present is banned. Now and then what has expired is taken away. Thread: loop. */
#ifndef REALTIME_EDGE_BAN_WATCH_H
#define REALTIME_EDGE_BAN_WATCH_H

#include "realtime/edge/room_gate.h"

struct ban_watch {
	int64_t version; /* of the store when it was looked at; -1: look in any case */
	bool has_looked, is_looking;
	unsigned turns;
};

/* Every second. */
void ban_watch_on_timer(struct ban_watch *watch, struct store_thread *store,
			struct switchboard *board, struct room_gate *gate);

/* Send everybody out who is that user there. Returns how many they were. */
size_t ban_watch_send_out(struct switchboard *board, struct room_gate *gate, const char *room_id,
			  const char *user_id, const char *code, const char *words);
/* Send that one out; its resume token does nothing any more. */
void ban_watch_kick(struct switchboard *board, struct room_gate *gate, struct peer *peer,
		    const char *code, const char *words);

#endif
