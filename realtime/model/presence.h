/* presence.h - who is on a channel, and telling the others who comes and goes (protocol section 3).
 *
 * A member is a subscription that is live, in a namespace with presence; patterns and users' own
 * channels have none. `first` is a user's first subscription there, `last` the last one that ends.
 * Comings and goings are counted by `version`, so that a list and what came after it fit together,
 * and a jump tells of some that were not told: on a channel of more than PRESENCE_TOLD_MAX
 * subscriptions nobody is told any more (`gap`), since that would grow with the square.
 * Thread: loop.
 */
#ifndef REALTIME_MODEL_PRESENCE_H
#define REALTIME_MODEL_PRESENCE_H

#include "realtime/model/channel.h"

enum { PRESENCE_TOLD_MAX = 500, PRESENCE_LISTED_MAX = 1000 };

/* The subscription has become live. */
void presence_join(struct hub *hub, struct subscription *subscription);
/* Tell it who is there, if it wants to know. */
void presence_show(const struct hub *hub, const struct subscription *subscription);
/* It is about to end, or to be somebody else's. */
void presence_leave(struct hub *hub, struct subscription *subscription);

/* See hub_presence(). */
json_t *presence_list(const struct channel *channel, size_t limit);

#endif
