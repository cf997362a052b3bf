/* Is everything there? Each check asks the process itself, so a hung one is as red as a dead one.
 *
 *   ok        200   all that was asked serves
 *   degraded  200   we and the store serve, a companion does not (or not all of it)
 *   down      503   what this path is about does not serve
 */
#include <errno.h>
#include <string.h>

#include "api/handlers/handlers.h"
#include "core/json.h"

enum health { HEALTH_OK, HEALTH_DEGRADED, HEALTH_DOWN };

static const char *health_name(enum health health)
{
	switch (health) {
	case HEALTH_OK:
		return "ok";
	case HEALTH_DEGRADED:
		return "degraded";
	case HEALTH_DOWN:
		return "down";
	}
	return "";
}

static enum health check_store(struct api *api)
{
	return store_check(api->store, NULL) < 0 ? HEALTH_DOWN : HEALTH_OK;
}

/* *ret_details, if asked for and the check is not HEALTH_DOWN, is a new reference. */
static enum health check_realtimed(struct api *api, json_t **ret_details)
{
	return bus_client_call(api->realtimed, BUS_HUB_STATUS, json_object(), BUS_GLANCE_MS,
			       ret_details, NULL) < 0
		       ? HEALTH_DOWN
		       : HEALTH_OK;
}

/* Of each worker its plain numbers: what is counted by reason, and how long things take, is for
 * admins (/metrics). */
static void leave_out_groups(const json_t *workers)
{
	json_t *worker, *value;
	const char *name;
	size_t i;
	void *next;

	json_array_foreach (workers, i, worker)
		json_object_foreach_safe(worker, next, name, value) if (json_is_object(value))(void)
			json_object_del(worker, name);
}

static enum health check_sfu(struct api *api, json_t **ret_details)
{
	size_t i, alive = 0, count;
	json_t *worker;
	AUTO_JSON status = NULL;

	if (bus_client_call(api->sfu, BUS_SFU_STATUS, json_object(), BUS_GLANCE_MS, &status, NULL) <
	    0)
		return HEALTH_DOWN;
	count = json_array_size(json_object_get(status, "workers"));
	json_array_foreach (json_object_get(status, "workers"), i, worker)
		alive += json_is_true(json_object_get(worker, "alive"));
	if (ret_details) {
		leave_out_groups(json_object_get(status, "workers"));
		*ret_details = json_incref(status);
	}
	return alive == count ? HEALTH_OK : alive > 0 ? HEALTH_DEGRADED : HEALTH_DOWN;
}

static int answer(struct response *response, enum health health, json_t *body)
{
	if (body)
		(void)json_object_set_new(body, "status", json_string(health_name(health)));
	if (health == HEALTH_DOWN)
		response_header(response, "Retry-After", "1");
	return response_json(response, health == HEALTH_DOWN ? 503 : 200, body);
}

int health_live(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	(void)api;
	(void)request;
	(void)reterr;
	return answer(response, HEALTH_OK, json_pack("{s:{s:s}}", "checks", "api", "ok"));
}

int health_get(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	bool has_calls = api->config->WEBRTC_ENABLED;
	enum health store = check_store(api), realtimed = check_realtimed(api, NULL);
	enum health sfu = has_calls ? check_sfu(api, NULL) : HEALTH_OK;
	enum health all = store == HEALTH_DOWN			       ? HEALTH_DOWN
			  : realtimed != HEALTH_OK || sfu != HEALTH_OK ? HEALTH_DEGRADED
								       : HEALTH_OK;

	(void)request;
	(void)reterr;
	return answer(response, all,
		      json_pack("{s:{s:s, s:s, s:s, s:s}}", "checks", "api", "ok", "store",
				health_name(store), "realtimed", health_name(realtimed), "sfu",
				has_calls ? health_name(sfu) : "disabled"));
}

/* One companion's check as an answer; what it told about itself comes along. */
static int answer_one(struct response *response, const char *name, enum health health,
		      json_t *details)
{
	AUTO_JSON told = details;
	json_t *body =
		json_pack("{s:{s:s, s:s}}", "checks", "api", "ok", name, health_name(health));

	if (body && told)
		(void)json_object_update(body, told);
	return answer(response, health, body);
}

int health_realtimed(struct api *api, struct request *request, struct response *response,
		     struct error *reterr)
{
	json_t *details = NULL;
	enum health health = check_realtimed(api, &details);

	(void)request;
	(void)reterr;
	return answer_one(response, "realtimed", health, details);
}

int health_sfu(struct api *api, struct request *request, struct response *response,
	       struct error *reterr)
{
	json_t *details = NULL;
	enum health health;

	(void)request;
	(void)reterr;
	if (!api->config->WEBRTC_ENABLED)
		return answer(response, HEALTH_OK,
			      json_pack("{s:{s:s}}", "checks", "sfu", "disabled"));
	health = check_sfu(api, &details);
	return answer_one(response, "sfu", health, details);
}
