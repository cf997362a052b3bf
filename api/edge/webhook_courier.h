/* webhook_courier.h - a thread that posts events to the webhooks (db/webhook_deliveries.h): all
 * endpoints at once, so that a slow one holds nobody up. Several processes may each have one.
 * Thread: main for the functions. */
#ifndef API_EDGE_WEBHOOK_COURIER_H
#define API_EDGE_WEBHOOK_COURIER_H

#include "api/api.h"

struct webhook_courier;

/* config and webhook_tally of `shared` are borrowed. The store's errors, -EAGAIN, -ENOMEM */
int webhook_courier_start(const struct api *shared, struct webhook_courier **ret_courier,
			  struct error *reterr) MUST_CHECK;
/* Does not wait for endpoints: what they have not answered is posted again. */
struct webhook_courier *webhook_courier_stop(struct webhook_courier *courier);
DEFINE_AUTO(webhook_courier, webhook_courier_stop);

#endif
