#include "sfu/model/placement.h"

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

struct placement {
	pthread_mutex_t lock; /* guards rooms */
	size_t worker_count, peers_per_worker;
	json_t *rooms; /* {room_id: {peer_id: worker}}, no empty rooms */
};

struct placement *placement_new(size_t worker_count, size_t peers_per_worker)
{
	struct placement *placement = calloc(1, sizeof(*placement));

	if (!placement)
		return NULL;
	(void)pthread_mutex_init(&placement->lock, NULL);
	placement->worker_count = worker_count;
	placement->peers_per_worker = worker_count > 1 ? peers_per_worker : 0;
	placement->rooms = json_object();
	return placement;
}

struct placement *placement_free(struct placement *placement)
{
	if (!placement)
		return NULL;
	json_decref(placement->rooms);
	(void)pthread_mutex_destroy(&placement->lock);
	free(placement);
	return NULL;
}

size_t placement_home(const char *room_id, size_t worker_count)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *room_id; room_id++)
		hash = (hash ^ (uint8_t)*room_id) * 16777619u;
	return hash % worker_count;
}

static size_t count_on(const json_t *room, size_t worker)
{
	const char *peer_id;
	json_t *where;
	size_t count = 0;

	json_object_foreach ((json_t *)(uintptr_t)room, peer_id, where)
		count += (size_t)json_integer_value(where) == worker;
	return count;
}

static size_t choose(const struct placement *placement, const json_t *room, size_t home)
{
	size_t best = home, fewest = count_on(room, home);

	if (fewest < placement->peers_per_worker)
		return home;
	for (size_t i = 0; i < placement->worker_count; i++) {
		size_t count = count_on(room, i);

		if (count < fewest) {
			fewest = count;
			best = i;
		}
	}
	return best;
}

static void remember(struct placement *placement, const char *room_id, const char *peer_id,
		     size_t worker)
{
	json_t *room = json_object_get(placement->rooms, room_id);

	if (!room) {
		room = json_object();
		if (json_object_set_new(placement->rooms, room_id, room) < 0)
			return; /* without memory it will be looked for at home */
	}
	(void)json_object_set_new(room, peer_id, json_integer((json_int_t)worker));
}

static size_t find(const struct placement *placement, const char *room_id, const char *peer_id,
		   size_t otherwise)
{
	const json_t *where = json_object_get(json_object_get(placement->rooms, room_id), peer_id);

	return where ? (size_t)json_integer_value(where) : otherwise;
}

size_t placement_choose(struct placement *placement, const char *room_id, const char *peer_id)
{
	size_t worker = placement_home(room_id, placement->worker_count);

	if (!placement->peers_per_worker)
		return worker;
	(void)pthread_mutex_lock(&placement->lock);
	worker = choose(placement, json_object_get(placement->rooms, room_id), worker);
	worker = find(placement, room_id, peer_id, worker);
	remember(placement, room_id, peer_id, worker);
	(void)pthread_mutex_unlock(&placement->lock);
	return worker;
}

size_t placement_find(struct placement *placement, const char *room_id, const char *peer_id)
{
	size_t worker = placement_home(room_id, placement->worker_count);

	if (!placement->peers_per_worker)
		return worker;
	(void)pthread_mutex_lock(&placement->lock);
	worker = find(placement, room_id, peer_id, worker);
	(void)pthread_mutex_unlock(&placement->lock);
	return worker;
}

void placement_confirm(struct placement *placement, const char *room_id, const char *peer_id,
		       size_t worker)
{
	if (!placement->peers_per_worker)
		return;
	(void)pthread_mutex_lock(&placement->lock);
	remember(placement, room_id, peer_id, worker);
	(void)pthread_mutex_unlock(&placement->lock);
}

void placement_forget(struct placement *placement, const char *room_id, const char *peer_id)
{
	json_t *room;

	if (!placement->peers_per_worker)
		return;
	(void)pthread_mutex_lock(&placement->lock);
	room = json_object_get(placement->rooms, room_id);
	(void)json_object_del(room, peer_id);
	if (room && json_object_size(room) == 0)
		(void)json_object_del(placement->rooms, room_id);
	(void)pthread_mutex_unlock(&placement->lock);
}

void placement_forget_room(struct placement *placement, const char *room_id)
{
	(void)pthread_mutex_lock(&placement->lock);
	(void)json_object_del(placement->rooms, room_id);
	(void)pthread_mutex_unlock(&placement->lock);
}
