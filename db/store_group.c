#include "db/store_group.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "core/list.h"
#include "db/statement.h"

static const char savepoint_sql[] = "SAVEPOINT change";
static const char release_sql[] = "RELEASE change";
static const char rollback_sql[] = "ROLLBACK TO change";

/* One that is asked for; lives on the stack of who asks. */
struct member {
	struct list link; /* struct store_group.waiting, or the leader's own list */
	pthread_cond_t moved;
	bool is_over, is_leader;
	store_change_fn *change;
	void *data;
	int result;
	struct error error;
};

struct store_group {
	pthread_mutex_t mutex;
	struct list waiting; /* of struct member.link, in order of coming */
	bool is_led;	     /* somebody leads, or has been told to */
};

struct store_group *store_group_new(void)
{
	struct store_group *group = calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	(void)pthread_mutex_init(&group->mutex, NULL);
	list_init(&group->waiting);
	return group;
}

struct store_group *store_group_free(struct store_group *group)
{
	if (!group)
		return NULL;
	(void)pthread_mutex_destroy(&group->mutex);
	free(group);
	return NULL;
}

/* ---- in the transaction ---- */

static int run(struct store *store, const char *sql, struct error *reterr)
{
	sqlite3_stmt *statement;
	int r = statement_get(store, sql, &statement, reterr);

	return r < 0 ? r : statement_step(store, statement, reterr);
}

static void change_one(struct store *store, struct member *member)
{
	member->result = member->change(store, member->data, &member->error);
}

/* So that one that fails takes nothing of the others with it. */
static void change_apart(struct store *store, struct member *member)
{
	member->result = run(store, savepoint_sql, &member->error);
	if (member->result < 0)
		return;
	change_one(store, member);
	if (!store_in_transaction(store)) /* a full disk, or a failing one, has ended all of it */
		return;
	if (member->result < 0 && run(store, rollback_sql, NULL) < 0)
		return; /* the release will say so too */
	if (run(store, release_sql, member->result < 0 ? NULL : &member->error) < 0 &&
	    member->result >= 0)
		member->result = -EIO;
}

/* Everybody's changes. Returns how the transaction went; *ret_error why. */
static int change_all(struct store *store, struct list *members, struct error *ret_error)
{
	bool is_alone = list_first(members) == members->previous;
	struct member *member;

	LIST_FOR_EACH (member, members, link) {
		if (is_alone)
			change_one(store, member);
		else
			change_apart(store, member);
		if (member->result < 0 && (is_alone || !store_in_transaction(store))) {
			*ret_error = member->error;
			return member->result;
		}
	}
	return store_commit(store, ret_error);
}

/* ---- who leads ---- */

static void move_all(struct list *from, struct list *to)
{
	struct list *link;

	while ((link = list_first(from))) {
		list_remove(link);
		list_append(to, link);
	}
}

/* All are told, and the first of those who came meanwhile leads next. */
static void dismiss(struct store_group *group, struct list *members)
{
	struct list *link;

	while ((link = list_first(members))) {
		struct member *member = LIST_ITEM(link, struct member, link);

		list_remove(link);
		member->is_over = true;
		(void)pthread_cond_signal(&member->moved);
	}
	link = list_first(&group->waiting);
	group->is_led = link != NULL;
	if (link) {
		struct member *next = LIST_ITEM(link, struct member, link);

		next->is_leader = true;
		(void)pthread_cond_signal(&next->moved);
	}
}

/* The mutex is held, but not while it works. */
static void lead(struct store_group *group, struct store *store)
{
	struct error error = {0};
	struct member *member;
	struct list members;
	int r;

	list_init(&members);
	(void)pthread_mutex_unlock(&group->mutex);
	r = store_begin(store, &error); /* who comes while this waits is one of us */
	(void)pthread_mutex_lock(&group->mutex);
	move_all(&group->waiting, &members);
	(void)pthread_mutex_unlock(&group->mutex);
	if (r == 0)
		r = change_all(store, &members, &error);
	if (r < 0) {
		store_rollback(store);
		LIST_FOR_EACH (member, &members, link) {
			if (member->result >= 0) {
				member->result = r;
				member->error = error;
			}
		}
	}
	(void)pthread_mutex_lock(&group->mutex);
	dismiss(group, &members);
}

int store_group_change(struct store_group *group, struct store *store, store_change_fn *change,
		       void *data, struct error *reterr)
{
	struct member mine = {.change = change, .data = data};

	if (store_in_transaction(store))
		return change(store, data, reterr);
	(void)pthread_cond_init(&mine.moved, NULL);
	(void)pthread_mutex_lock(&group->mutex);
	list_append(&group->waiting, &mine.link);
	mine.is_leader = !group->is_led;
	group->is_led = true;
	while (!mine.is_over && !mine.is_leader)
		(void)pthread_cond_wait(&mine.moved, &group->mutex);
	if (!mine.is_over)
		lead(group, store);
	(void)pthread_mutex_unlock(&group->mutex);
	(void)pthread_cond_destroy(&mine.moved);
	if (mine.result < 0 && reterr)
		*reterr = mine.error;
	return mine.result;
}
