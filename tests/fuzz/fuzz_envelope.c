/* What a client may send over WebSocket: chat and signalling messages. The first byte chooses. */
#include <string.h>

#include "realtime/wire/envelope.h"
#include "realtime/wire/filter.h"
#include "realtime/wire/notification.h"
#include "realtime/wire/signal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is passed on unparsed is what would have been written of it. */
static void try_canonical(const char *text, size_t length)
{
	size_t canonical = canonical_json_length(text, length);
	AUTO_JSON value = NULL;
	AUTO_FREE char *written = NULL;

	if (canonical == 0)
		return;
	value = json_loadb(text, canonical, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
	written = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	if (!written || strlen(written) != canonical || memcmp(written, text, canonical) != 0)
		__builtin_trap();
}

static void try_envelope(const char *text, size_t length)
{
	AUTO_ENVELOPE envelope = {0};
	struct envelope_subscribe subscribe;
	struct envelope_message message;
	struct envelope_attachment attachment;
	struct envelope_history history;
	struct envelope_channels channels;
	struct envelope_target target;
	char notification_id[NOTIFICATION_ID_SIZE];
	AUTO(filter) filter = NULL;
	AUTO_JSON fields = NULL;
	const char *channel;
	struct error error = {0};
	int r = envelope_parse(text, length, &envelope, &error);

	if (r < 0)
		return;
	switch (envelope.type) {
	case ENVELOPE_SUBSCRIBE:
		r = envelope_subscribe_get(&envelope, &subscribe, &error);
		if (r >= 0 && subscribe.filters)
			r = filter_new(subscribe.filters, &filter, &error);
		break;
	case ENVELOPE_UNSUBSCRIBE:
		r = envelope_channels_get(&envelope, &channels, &error);
		break;
	case ENVELOPE_MESSAGE:
	case ENVELOPE_TEXT:
	case ENVELOPE_BROADCAST:
	case ENVELOPE_DIRECT:
		r = envelope_message_get(&envelope, &message, &error);
		break;
	case ENVELOPE_BINARY:
		r = envelope_attachment_get(envelope.body, &attachment, &error);
		break;
	case ENVELOPE_HISTORY:
		r = envelope_history_get(&envelope, &history, &error);
		break;
	case ENVELOPE_PRESENCE:
		r = envelope_channel_get(&envelope, &channel, &error);
		break;
	case ENVELOPE_NOTIFICATION:
		r = envelope_target_get(envelope.body, &target, &error);
		if (r >= 0)
			r = notification_get(envelope.body, notification_id, &fields, &error);
		break;
	case ENVELOPE_SIGNAL: /* try_signal() */
	case ENVELOPE_AUTH:
	case ENVELOPE_REFRESH:
	case ENVELOPE_PING:
		break;
	}
	if (r < 0 && !*error.code)
		__builtin_trap(); /* every refusal has a code */
}

static void try_signal(const char *text, size_t length)
{
	AUTO_SIGNAL signal = {0};
	struct error error = {0};

	if (signal_parse(text, length, &signal, &error) < 0 && !*error.code)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	try_canonical((const char *)data + 1, size - 1);
	if (data[0] & 1)
		try_signal((const char *)data + 1, size - 1);
	else
		try_envelope((const char *)data + 1, size - 1);
	return 0;
}
