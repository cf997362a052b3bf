/* upload_order.h - where a file goes and what is said about it, however its bytes come: by a form,
 * as a body, or piece by piece (tus). Thread: the request's. */
#ifndef API_HANDLERS_UPLOAD_ORDER_H
#define API_HANDLERS_UPLOAD_ORDER_H

#include "api/handlers/handlers.h"

/* Borrowed, but for fields, which its holder owns. */
struct upload_order {
	struct api *api;
	const struct request *request;
	json_t *fields; /* channel, persistent and so on, as /realtime/send has them */
};

/* One of channel, user_id, connection_id, persistent, ttl, tags and idempotency_key, as text; empty
 * it does not count. 1: it is one; 0: it is none, and ignored. -EINVAL "bad_field" */
int upload_order_set(struct upload_order *order, const char *name, const char *text, size_t length,
		     struct error *reterr) MUST_CHECK;
/* Those of the query. -EINVAL "bad_field" */
int upload_order_set_from_query(struct upload_order *order, struct error *reterr) MUST_CHECK;

/* Does it go anywhere, or is it only kept? */
bool upload_order_has_target(const struct upload_order *order);

/* May they, as far as is known by now where it goes? access_check()'s errors */
int upload_order_demand_rights(const struct upload_order *order, struct error *reterr) MUST_CHECK;
/* If it goes anywhere: is somebody there to tell of it? -ENOTCONN "bus_unavailable" */
int upload_order_demand_hub(const struct upload_order *order, struct error *reterr) MUST_CHECK;

/* Keep a sealed draft, and tell of it if it goes anywhere. Of *row the caller gives content_type
 * and filename. Where it surely was not told of, nothing is kept. */
int upload_order_carry_out(struct upload_order *order, struct file_draft *draft,
			   struct upload_row *row, json_t **ret_answer,
			   struct error *reterr) MUST_CHECK;

#endif
