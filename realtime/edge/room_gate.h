/* room_gate.h - may this one come into that room? Looked up in the store, on its thread: the room
 * (or it is made, where that is allowed), bans, its lock, an invite; and its password, on libuv's
 * worker threads, since that takes long by design.
 *
 *   LOOKING --no password is needed, or there is none to compare--> answered
 *   LOOKING --a password to compare--> VERIFYING --> answered
 *   either --the room was changed meanwhile--> LOOKING
 *
 * The last is why nobody slips in while a room is being locked: once room_gate_on_room_changed()
 * was called, no answer is given any more that rests on what was there before.
 *
 * Thread: loop.
 */
#ifndef REALTIME_EDGE_ROOM_GATE_H
#define REALTIME_EDGE_ROOM_GATE_H

#include "core/config.h"
#include "realtime/edge/store_thread.h"
#include "realtime/model/guess_limit.h"
#include "realtime/model/switchboard.h"

struct room_gate {
	uv_loop_t *loop; /* borrowed, like store and config */
	struct store_thread *store;
	const struct config *config;
	struct list lookups; /* under way; of struct lookup.link */
	struct guess_limit guesses;
	size_t verifying_count;
	bool is_stopping;
};

struct room_knock {
	const char *room_id;
	const char *user_id;	       /* "": nobody known */
	const char *address;	       /* of the client, as text; "": a program of this host */
	bool is_moderator;	       /* neither lock nor password holds them up */
	bool may_create;	       /* a missing room, with the defaults of the configuration */
	const struct entry_pass *pass; /* may be NULL */
	/* By which a guest is known again to an invite: what they will have to show, and what they
	 * show now ("": nothing). */
	const char *next_secret, *secret;
};

/* `error` NULL: they may come in, *facts are the room's. `ticket` is what was given. Returns
 * whether they did come in; if not, an invite that they came by gets its place back. */
typedef bool (*room_gate_fn)(void *data, const char *ticket, const struct room_facts *facts,
			     const struct error *error);

/* -ENOMEM */
int room_gate_init(struct room_gate *gate, uv_loop_t *loop, struct store_thread *store,
		   const struct config *config) MUST_CHECK;
/* What is being verified is answered, by a turn of the loop; what the store still answers
 * afterwards is refused. */
void room_gate_stop(struct room_gate *gate);
/* When the store's thread has ended. */
void room_gate_fini(struct room_gate *gate);

/* Everything is copied; by `ticket` the asker is found again. Fails like
 * store_thread_submit_take(); `done` gets -ENOENT "room_not_found"   -EUSERS "too_many_rooms"
 * -EACCES "banned", "bad_invite", "invite_used_up", "password_required", "wrong_password"   -EBUSY
 * "room_locked" -EDQUOT "too_many_guesses"   -EAGAIN "overloaded", "stopping"   and the store's own
 * errors */
int room_gate_knock(struct room_gate *gate, const struct room_knock *knock, const char *ticket,
		    room_gate_fn done, void *data, struct error *reterr) MUST_CHECK;

/* The room, or who is banned from it, is not what it was. */
void room_gate_on_room_changed(struct room_gate *gate, const char *room_id);

/* By the resume token whose hash that is nobody comes back. */
void room_gate_forget_guest(struct room_gate *gate, const char *resume_hash);

#endif
