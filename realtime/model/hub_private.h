/* hub_private.h - how the files of the hub call each other: hub.c has channels and subscribers,
 * hub_publish.c messages on their way, hub_subscribe.c subscriptions and what the store reads for
 * them. For these and presence.c alone. Thread: loop. */
#ifndef REALTIME_MODEL_HUB_PRIVATE_H
#define REALTIME_MODEL_HUB_PRIVATE_H

#include "realtime/model/channel.h"

/* Borrowed, or NULL. */
struct channel *hub_channel_find(const struct hub *hub, const char *name);
/* A channel, or a pattern of names. NULL without memory. */
struct channel *hub_channel_find_or_add(struct hub *hub, const char *name);
/* To be called when something may have begun or ended on the channel; it may be gone afterwards. */
void hub_settle(struct hub *hub, struct channel *channel);
/* It was read; `state` is what the store knows. */
void hub_make_ready(const struct hub *hub, struct channel *channel,
		    const struct channel_state *state);

/* The messages that waited for the channel to be ready go on, or fail with `error`. */
void hub_resume_orders(struct hub *hub, struct channel *channel, const struct error *error,
		       uint64_t now_unix_us);

/* End it, and tell those who want to hear of it. */
void hub_end_subscription(struct hub *hub, struct subscription *subscription);

#endif
