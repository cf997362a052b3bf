#include "api/occupancy.h"

#include <pthread.h>
#include <stdlib.h>

#include "api/api.h"
#include "core/clock.h"
#include "core/json.h"

/* Past the first somebody asks; past the second others wait for that answer. */
enum { FRESH_US = 20000, USABLE_US = 40000 };

struct occupancy {
	pthread_mutex_t mutex;
	pthread_cond_t answered;
	bool is_asking;	   /* one thread does, without the mutex */
	json_t *counts;	   /* owned; NULL: realtimed did not say */
	uint64_t asked_us; /* when the answer came; 0: never */
};

struct occupancy *occupancy_new(void)
{
	struct occupancy *occupancy = calloc(1, sizeof(*occupancy));

	if (!occupancy)
		return NULL;
	(void)pthread_mutex_init(&occupancy->mutex, NULL);
	(void)pthread_cond_init(&occupancy->answered, NULL);
	return occupancy;
}

struct occupancy *occupancy_free(struct occupancy *occupancy)
{
	if (!occupancy)
		return NULL;
	json_decref(occupancy->counts);
	(void)pthread_cond_destroy(&occupancy->answered);
	(void)pthread_mutex_destroy(&occupancy->mutex);
	free(occupancy);
	return NULL;
}

/* A new object; NULL when realtimed does not say. */
static json_t *ask(struct bus_client *realtimed)
{
	AUTO_JSON answer = NULL;

	if (bus_client_call(realtimed, BUS_ROOM_OCCUPANCY, json_pack("{s:b}", "counts", 1),
			    BUS_GLANCE_MS, &answer, NULL) < 0)
		return NULL;
	return json_incref(json_object_get(answer, "rooms"));
}

static bool is_older(const struct occupancy *occupancy, uint64_t age_us)
{
	return occupancy->asked_us == 0 || clock_now_us() - occupancy->asked_us > age_us;
}

/* The mutex is held before and after. */
static void ask_again(struct occupancy *occupancy, struct bus_client *realtimed)
{
	json_t *counts;

	occupancy->is_asking = true;
	(void)pthread_mutex_unlock(&occupancy->mutex);
	counts = ask(realtimed);
	(void)pthread_mutex_lock(&occupancy->mutex);
	occupancy->is_asking = false;
	json_decref(occupancy->counts);
	occupancy->counts = counts;
	occupancy->asked_us = clock_now_us();
	(void)pthread_cond_broadcast(&occupancy->answered);
}

json_t *occupancy_get(struct occupancy *occupancy, struct bus_client *realtimed)
{
	json_t *counts;

	if (!occupancy)
		return NULL;
	(void)pthread_mutex_lock(&occupancy->mutex);
	while (occupancy->is_asking && is_older(occupancy, USABLE_US))
		(void)pthread_cond_wait(&occupancy->answered, &occupancy->mutex);
	if (!occupancy->is_asking && is_older(occupancy, FRESH_US))
		ask_again(occupancy, realtimed);
	counts = json_incref(occupancy->counts);
	(void)pthread_mutex_unlock(&occupancy->mutex);
	return counts;
}
