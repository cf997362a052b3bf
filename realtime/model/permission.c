#include "realtime/model/permission.h"

#include <errno.h>
#include <stddef.h>

#include "core/pattern.h"

static int refuse_publishing(const struct identity *identity, const char *channel,
			     struct error *reterr)
{
	if (identity_is_anonymous(identity))
		return error_set(reterr, -EACCES, "forbidden",
				 "publishing needs a token or an API key");
	return error_set_field(reterr, -EACCES, "forbidden", "channel", "you may not publish to %s",
			       channel ? channel : "everybody");
}

static bool may(const struct namespaces *namespaces, const struct identity *identity,
		enum right right, const char *channel)
{
	return channel ? namespace_lets(namespaces_find(namespaces, channel), identity, right,
					channel)
		       /* Whoever is limited to some channels reaches nobody by a broadcast. */
		       : identity_may(identity, right, GRANT_CHANNELS, "*");
}

int permission_check(const struct namespaces *namespaces, const struct identity *identity,
		     enum right right, const char *channel, struct error *reterr)
{
	if (channel && pattern_is_wild(channel) &&
	    !namespaces_find(namespaces, channel)->has_wildcards)
		return error_set_field(reterr, -EACCES, "no_wildcards", "channel",
				       "subscriptions with a * are switched off for %s", channel);
	if (may(namespaces, identity, right, channel))
		return 0;
	if (right == RIGHT_PUBLISH)
		return refuse_publishing(identity, channel, reterr);
	if (channel && own_channel_user(channel))
		return error_set_field(reterr, -EACCES, "forbidden", "channel",
				       "%s is for connections of that user alone", channel);
	return error_set_field(reterr, -EACCES, "forbidden", "channel",
			       "%s is not for you with what you have shown", channel);
}

int permission_check_presence(const struct namespaces *namespaces, const struct identity *identity,
			      const char *channel, struct error *reterr)
{
	int r = permission_check(namespaces, identity, RIGHT_SUBSCRIBE, channel, reterr);

	if (r < 0)
		return r;
	if (namespaces_find(namespaces, channel)->has_presence && !pattern_is_wild(channel) &&
	    !own_channel_user(channel))
		return 0;
	return error_set_field(reterr, -EACCES, "presence_disabled", "channel",
			       "who is on %s is not told", channel);
}
