#include "realtime/edge/room_gate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "db/room_bans.h"
#include "db/room_invites.h"
#include "db/rooms.h"

enum {
	TICKET_SIZE = 64,
	ADDRESS_SIZE = 64,
	VERIFYING_MAX = 64,    /* passwords, at once */
	IPV6_NETWORK_BYTES = 8 /* whoever has one such address has the whole /64 */
};

struct lookup {
	struct list link;
	struct room_gate *gate;
	struct store_job job;
	uv_work_t work;
	int64_t max_rooms, max_participants;
	struct room_row row;
	struct room_invite_row invite;
	struct entry_pass pass;
	char room_id[ROOM_ID_MAX + 1], user_id[USER_ID_BYTES_MAX + 1], address[ADDRESS_SIZE];
	char holder[INVITE_HOLDER_SIZE], was_holder[INVITE_HOLDER_SIZE];
	char verified_hash[PASSWORD_HASH_SIZE]; /* that the password was found to fit */
	int verdict;				/* of password_verify() */
	bool is_moderator, may_create;
	bool is_invited;	 /* the invite is good; */
	enum invite_place place; /* and that is what coming by it has changed */
	bool is_stale;		 /* the room was changed since it was looked up */
	struct error error;
	char ticket[TICKET_SIZE];
	room_gate_fn done;
	void *data;
};

/* ---- life ---- */

int room_gate_init(struct room_gate *gate, uv_loop_t *loop, struct store_thread *store,
		   const struct config *config)
{
	*gate = (struct room_gate){.loop = loop, .store = store, .config = config};
	list_init(&gate->lookups);
	return guess_limit_init(&gate->guesses);
}

void room_gate_stop(struct room_gate *gate)
{
	gate->is_stopping = true;
	while (gate->verifying_count > 0)
		(void)uv_run(gate->loop, UV_RUN_ONCE);
}

void room_gate_fini(struct room_gate *gate)
{
	guess_limit_fini(&gate->guesses);
}

void room_gate_on_room_changed(struct room_gate *gate, const char *room_id)
{
	struct lookup *lookup;

	LIST_FOR_EACH (lookup, &gate->lookups, link)
		if (strcmp(lookup->room_id, room_id) == 0)
			lookup->is_stale = true;
}

/* ---- on the store's thread ---- */

static int read_or_make_room(struct lookup *lookup, struct store *store, struct error *reterr)
{
	int r = rooms_get(store, lookup->room_id, &lookup->row, reterr);

	if (r != -ENOENT || !lookup->may_create)
		return r;
	lookup->row = (struct room_row){.max_participants = lookup->max_participants};
	(void)snprintf(lookup->row.room_id, sizeof(lookup->row.room_id), "%s", lookup->room_id);
	return rooms_create(store, &lookup->row, lookup->max_rooms, clock_unix_ms(), reterr);
}

static int check_ban(const struct lookup *lookup, struct store *store, struct error *reterr)
{
	struct room_ban_row ban;
	int r = room_bans_find(store, lookup->room_id, lookup->user_id, clock_unix_ms(), &ban,
			       reterr);

	if (r <= 0)
		return r;
	return error_set(reterr, -EACCES, "banned", "you are banned from %s%s%s", lookup->room_id,
			 *ban.reason ? ": " : "", ban.reason);
}

static int look_up(struct store_job *job, struct store *store, struct error *reterr)
{
	struct lookup *lookup = CONTAINER_OF(job, struct lookup, job);
	int r = read_or_make_room(lookup, store, reterr);

	if (r == 0)
		r = check_ban(lookup, store, reterr);
	if (r < 0 || lookup->is_moderator)
		return r;
	if (*lookup->pass.invite) {
		r = room_invites_use(store, lookup->pass.invite, lookup->room_id, lookup->holder,
				     lookup->was_holder, clock_unix_ms(), &lookup->invite, reterr);
		lookup->is_invited = r >= 0;
		if (r > 0 && lookup->place == PLACE_NONE) /* else it was looked up again */
			lookup->place = (enum invite_place)r;
		return r < 0 ? r : 0;
	}
	if (lookup->row.locked)
		return error_set(reterr, -EBUSY, "room_locked",
				 "%s is locked: nobody else comes in for now", lookup->room_id);
	return 0;
}

/* ---- the answer ---- */

/* What is left to be done about invites, in nobody's way. */
struct settle_job {
	struct store_job job;
	char invite_id[INVITE_ID_SIZE]; /* "": of any; the holder is forgotten */
	enum invite_place place;
	char holder[INVITE_HOLDER_SIZE], was_holder[INVITE_HOLDER_SIZE];
};

static int settle_run(struct store_job *job, struct store *store, struct error *reterr)
{
	const struct settle_job *self = CONTAINER_OF(job, struct settle_job, job);

	return *self->invite_id ? room_invites_give_back(store, self->invite_id, self->place,
							 self->holder, self->was_holder, reterr)
				: room_invites_forget_holder(store, self->holder, reterr);
}

static void settle_done(struct store_job *job)
{
	if (job->error.number < 0)
		LOG(LOG_WARNING, LOG_WEBRTC, "invite_not_settled", LOG_ERR(&job->error));
	free(CONTAINER_OF(job, struct settle_job, job));
}

static void settle_submit(struct room_gate *gate, struct settle_job *job)
{
	job->job = (struct store_job){.is_write = true, .run = settle_run, .done = settle_done};
	if (gate->is_stopping)
		(void)error_set(&job->job.error, -EAGAIN, "stopping", "the server is restarting");
	if (gate->is_stopping ||
	    store_thread_submit_take(gate->store, &job->job, &job->job.error) < 0)
		settle_done(&job->job);
}

void room_gate_forget_guest(struct room_gate *gate, const char *resume_hash)
{
	struct settle_job *job = *resume_hash ? calloc(1, sizeof(*job)) : NULL;

	if (!job)
		return;
	invite_holder_format("", resume_hash, job->holder);
	settle_submit(gate, job);
}

static void give_back(const struct lookup *lookup)
{
	struct settle_job *job = calloc(1, sizeof(*job));

	if (!job)
		return; /* the place stays taken */
	job->place = lookup->place;
	memcpy(job->invite_id, lookup->invite.invite_id, sizeof(job->invite_id));
	memcpy(job->holder, lookup->holder, sizeof(job->holder));
	memcpy(job->was_holder, lookup->was_holder, sizeof(job->was_holder));
	settle_submit(lookup->gate, job);
}

static void answer(struct lookup *lookup)
{
	struct room_facts facts = {
		.room_id = lookup->room_id,
		.is_mesh = lookup->row.mode == ROOM_MODE_MESH,
		.max_participants = lookup->row.max_participants,
		.codecs = lookup->row.codecs,
		.guest_name =
			lookup->is_invited && *lookup->invite.name ? lookup->invite.name : NULL,
	};
	bool is_refused = lookup->error.number < 0, is_in;

	list_remove(&lookup->link);
	is_in = lookup->done(lookup->data, lookup->ticket, &facts,
			     is_refused ? &lookup->error : NULL);
	if (lookup->place != PLACE_NONE && (is_refused || !is_in))
		give_back(lookup);
	room_row_fini(&lookup->row);
	explicit_bzero(&lookup->pass, sizeof(lookup->pass));
	free(lookup);
}

static void submit(struct lookup *lookup)
{
	lookup->is_stale = false;
	lookup->error = (struct error){0};
	lookup->job.error = (struct error){0};
	if (store_thread_submit_take(lookup->gate->store, &lookup->job, &lookup->error) < 0)
		answer(lookup);
}

/* Where the room is not what it was any more. false: what was found counts. */
static bool look_again(struct lookup *lookup)
{
	if (lookup->gate->is_stopping) {
		(void)error_set(&lookup->error, -EAGAIN, "stopping", "the server is restarting");
		return false;
	}
	if (!lookup->is_stale)
		return false;
	room_row_fini(&lookup->row);
	submit(lookup);
	return true;
}

/* ---- the password ---- */

static void verify(uv_work_t *work)
{
	struct lookup *lookup = CONTAINER_OF(work, struct lookup, work);

	lookup->verdict = password_verify(lookup->row.password_hash, lookup->pass.password);
}

static void on_verified(uv_work_t *work, int status)
{
	struct lookup *lookup = CONTAINER_OF(work, struct lookup, work);
	struct room_gate *gate = lookup->gate;

	gate->verifying_count--;
	if (status < 0 || lookup->verdict < 0) {
		(void)error_set(&lookup->error, -EIO, "password_not_checked",
				"the password of %s could not be checked", lookup->room_id);
		LOG(LOG_ERROR, LOG_WEBRTC, "password_not_checked",
		    LOG_TEXT("room", lookup->room_id),
		    LOG_TEXT("detail", strerror(-lookup->verdict)));
	} else if (lookup->verdict == 0) {
		(void)error_set_field(&lookup->error, -EACCES, "wrong_password", "password",
				      "that is not the password of %s", lookup->room_id);
	} else {
		guess_limit_give_back(&gate->guesses, lookup->room_id, lookup->address);
		memcpy(lookup->verified_hash, lookup->row.password_hash,
		       sizeof(lookup->verified_hash));
	}
	if (!look_again(lookup))
		answer(lookup);
}

static int start_verifying(struct lookup *lookup, struct error *reterr)
{
	struct room_gate *gate = lookup->gate;
	int r;

	if (!*lookup->pass.password)
		return error_set_field(reterr, -EACCES, "password_required", "password",
				       "%s has a password", lookup->room_id);
	if (gate->verifying_count >= VERIFYING_MAX)
		return error_set(reterr, -EAGAIN, "overloaded",
				 "too many passwords are being checked; try again");
	r = guess_limit_take(&gate->guesses, lookup->room_id, lookup->address, clock_now_us());
	if (r == -EDQUOT)
		return error_set_field(reterr, r, "too_many_guesses", "password",
				       "too many wrong passwords; wait %d s before the next",
				       GUESS_REFILL_US / 1000000);
	if (r == 0)
		r = uv_queue_work(gate->loop, &lookup->work, verify, on_verified);
	if (r < 0)
		return error_set(reterr, r, "out_of_memory", "out of memory");
	gate->verifying_count++;
	return 1;
}

static bool needs_verifying(const struct lookup *lookup)
{
	return lookup->error.number == 0 && !lookup->is_moderator && !lookup->is_invited &&
	       *lookup->row.password_hash &&
	       strcmp(lookup->row.password_hash, lookup->verified_hash) != 0;
}

static void on_looked_up(struct store_job *job)
{
	struct lookup *lookup = CONTAINER_OF(job, struct lookup, job);

	lookup->error = job->error;
	if (look_again(lookup))
		return;
	if (needs_verifying(lookup) && start_verifying(lookup, &lookup->error) > 0)
		return;
	answer(lookup);
}

/* ---- asking ---- */

/* Whom guesses are counted for: an IPv4 address, or the network of an IPv6 one. */
static void guesser_of(const char *address, char ret_guesser[ADDRESS_SIZE])
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, address, &six) == 1 && !IN6_IS_ADDR_V4MAPPED(&six)) {
		memset(six.s6_addr + IPV6_NETWORK_BYTES, 0, sizeof(six) - IPV6_NETWORK_BYTES);
		(void)inet_ntop(AF_INET6, &six, ret_guesser, ADDRESS_SIZE);
	} else {
		(void)snprintf(ret_guesser, ADDRESS_SIZE, "%s", address);
	}
}

static void copy_knock(struct lookup *lookup, const struct room_knock *knock)
{
	char hash[RESUME_HASH_SIZE];

	(void)snprintf(lookup->room_id, sizeof(lookup->room_id), "%s", knock->room_id);
	(void)snprintf(lookup->user_id, sizeof(lookup->user_id), "%s", knock->user_id);
	guesser_of(knock->address, lookup->address);
	lookup->is_moderator = knock->is_moderator;
	lookup->may_create = knock->may_create;
	if (knock->pass)
		lookup->pass = *knock->pass;
	resume_token_hash(knock->next_secret, hash);
	invite_holder_format(knock->user_id, hash, lookup->holder);
	if (*knock->secret) {
		resume_token_hash(knock->secret, hash);
		invite_holder_format("", hash, lookup->was_holder);
	}
}

int room_gate_knock(struct room_gate *gate, const struct room_knock *knock, const char *ticket,
		    room_gate_fn done, void *data, struct error *reterr)
{
	AUTO_FREE struct lookup *lookup = calloc(1, sizeof(*lookup));
	int r;

	if (!lookup)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	copy_knock(lookup, knock);
	lookup->gate = gate;
	lookup->job = (struct store_job){.is_write = knock->may_create || *lookup->pass.invite,
					 .run = look_up,
					 .done = on_looked_up};
	lookup->max_rooms = gate->config->WEBRTC_MAX_ROOMS;
	lookup->max_participants = gate->config->WEBRTC_MAX_PARTICIPANTS_PER_ROOM;
	lookup->done = done;
	lookup->data = data;
	(void)snprintf(lookup->ticket, sizeof(lookup->ticket), "%s", ticket);
	list_init(&lookup->link);
	r = store_thread_submit_take(gate->store, &lookup->job, reterr);
	if (r < 0) {
		explicit_bzero(&lookup->pass, sizeof(lookup->pass));
		return r;
	}
	list_append(&gate->lookups, &lookup->link);
	(void)STEAL(lookup);
	return 0;
}
