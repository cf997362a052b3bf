#include "api/occupancy.h"

#include <pthread.h>
#include <stdlib.h>

#include "api/api.h"
#include "core/clock.h"
#include "core/json.h"

enum { FRESH_US = 20000 };

struct occupancy {
	pthread_mutex_t mutex; /* held while asking: others wait for that answer */
	json_t *counts;	       /* owned; NULL: realtimed did not say */
	uint64_t asked_us;     /* when the answer came; 0: never */
};

struct occupancy *occupancy_new(void)
{
	struct occupancy *occupancy = calloc(1, sizeof(*occupancy));

	if (occupancy)
		(void)pthread_mutex_init(&occupancy->mutex, NULL);
	return occupancy;
}

struct occupancy *occupancy_free(struct occupancy *occupancy)
{
	if (!occupancy)
		return NULL;
	json_decref(occupancy->counts);
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

json_t *occupancy_get(struct occupancy *occupancy, struct bus_client *realtimed)
{
	json_t *counts;

	if (!occupancy)
		return NULL;
	(void)pthread_mutex_lock(&occupancy->mutex);
	if (occupancy->asked_us == 0 || clock_now_us() - occupancy->asked_us > FRESH_US) {
		json_decref(occupancy->counts);
		occupancy->counts = ask(realtimed);
		occupancy->asked_us = clock_now_us();
	}
	counts = json_incref(occupancy->counts);
	(void)pthread_mutex_unlock(&occupancy->mutex);
	return counts;
}
