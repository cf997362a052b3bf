/* permission.h - may this connection do that with a channel, and with a good reason why not? The
 * one place where rights are looked up before something happens. Thread: loop. */
#ifndef REALTIME_MODEL_PERMISSION_H
#define REALTIME_MODEL_PERMISSION_H

#include "core/namespaces.h"

/* `channel` may be a pattern; NULL: everybody, as for a broadcast.
 *   -EACCES "forbidden", "no_wildcards" */
int permission_check(const struct namespaces *namespaces, const struct identity *identity,
		     enum right right, const char *channel, struct error *reterr) MUST_CHECK;
/* Who is there may be known. -EACCES "presence_disabled" and those above */
int permission_check_presence(const struct namespaces *namespaces, const struct identity *identity,
			      const char *channel, struct error *reterr) MUST_CHECK;

#endif
