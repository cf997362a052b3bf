#include "realtime/model/permission.h"

#include <errno.h>
#include <stddef.h>

static int refuse_publishing(const struct identity *identity, const char *channel,
			     struct error *reterr)
{
	if (identity_is_anonymous(identity))
		return error_set(reterr, -EACCES, "forbidden",
				 "publishing needs a token or an API key");
	return error_set_field(reterr, -EACCES, "forbidden", "channel", "you may not publish to %s",
			       channel ? channel : "everybody");
}

int permission_check(const struct identity *identity, enum right right, const char *channel,
		     struct error *reterr)
{
	/* Whoever is limited to some channels does not reach everybody by a broadcast. */
	if (identity_may(identity, right, GRANT_CHANNELS, channel ? channel : "*"))
		return 0;
	if (right == RIGHT_PUBLISH)
		return refuse_publishing(identity, channel, reterr);
	if (channel && own_channel_user(channel))
		return error_set_field(reterr, -EACCES, "forbidden", "channel",
				       "%s is for connections of that user alone", channel);
	return error_set_field(reterr, -EACCES, "forbidden", "channel",
			       "%s is not for you with what you have shown", channel);
}
