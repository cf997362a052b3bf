#include <errno.h>
#include <string.h>

#include "realtime/model/session_private.h"
#include "realtime/wire/notification.h"
#include "realtime/wire/reply.h"

static int publish(struct session *session, const struct envelope *envelope,
		   const struct envelope_target *target, const json_t *fields, uint64_t now_unix_us,
		   struct error *reterr)
{
	AUTO_FREE char *data = json_dumps(fields, JSON_COMPACT);
	char own_name[CHANNEL_NAME_MAX + 1];
	struct envelope_options options;
	AUTO(publication) publication = NULL;
	int r = envelope_options_get(envelope->body, &options, reterr);

	if (r < 0)
		return r;
	if (target->user_id)
		own_channel_name(target->user_id, own_name, sizeof(own_name));
	if (data)
		publication = publication_new(target->user_id ? own_name : target->channel, data,
					      session_sender(session), NULL);
	if (!publication ||
	    envelope_options_apply(&options, publication, (int64_t)(now_unix_us / 1000)) < 0 ||
	    publication_make_notification(publication) < 0)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	return session_publish_take(session, STEAL(publication), envelope->id, now_unix_us, reterr);
}

int session_notify(struct session *session, const struct envelope *envelope, uint64_t now_unix_us,
		   struct error *reterr)
{
	char notification_id[NOTIFICATION_ID_SIZE];
	struct envelope_target target;
	json_t *fields = NULL;
	int r = envelope_target_get(envelope->body, &target, reterr);

	if (r == 0)
		r = notification_get(envelope->body, notification_id, &fields, reterr);
	if (r < 0)
		return r;
	if (target.is_broadcast)
		return session_broadcast_take(
			session,
			notification_broadcast_take(fields, (int64_t)(now_unix_us / 1000),
						    session_sender(session)),
			"notification", notification_id, envelope->id, reterr);
	r = publish(session, envelope, &target, fields, now_unix_us, reterr);
	json_decref(fields);
	return r;
}
