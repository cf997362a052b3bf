/* permission.h - may this connection do that with a channel? The one place where rights are looked
 * up before something happens. Thread: loop. */
#ifndef REALTIME_MODEL_PERMISSION_H
#define REALTIME_MODEL_PERMISSION_H

#include "core/identity.h"

/* `channel` NULL: everybody, as for a broadcast.
 *   -EACCES "forbidden" */
int permission_check(const struct identity *identity, enum right right, const char *channel,
		     struct error *reterr) MUST_CHECK;

#endif
