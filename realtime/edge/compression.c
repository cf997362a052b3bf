#include "realtime/edge/compression.h"

#include <string.h>

#include "realtime/edge/connection.h"
#include "realtime/edge/http.h"

enum { OFFER_SIZE = 256, RSV1 = 0x40 };

/* Agreed to where the client offers them. Our messages never refer to earlier ones in any case. */
static const struct lws_ext_options options[] = {
	{"server_no_context_takeover", EXTARG_NONE},
	{"client_no_context_takeover", EXTARG_NONE},
	{NULL, 0},
};

static int on_extension(struct lws_context *context, const struct lws_extension *extension,
			struct lws *wsi, enum lws_extension_callback_reasons reason, void *user,
			void *in, size_t length)
{
	struct connection *connection = lws_get_opaque_user_data(wsi);

	(void)context;
	(void)extension;
	(void)user;
	(void)length;
	if (reason == LWS_EXT_CB_CONSTRUCT) {
		*(const struct lws_ext_options **)in = options;
		if (!connection)
			return -1;
		connection->is_deflating = true;
	}
	return 0; /* options: agreed; bytes: as they are */
}

const struct lws_extension compression_extensions[] = {
	{"permessage-deflate", on_extension, "permessage-deflate"},
	{NULL, NULL, NULL},
};

bool compression_is_acceptable(struct lws *wsi)
{
	char offer[OFFER_SIZE];

	/* A smaller window than ours would have to be agreed to and kept, which this does not do.
	 */
	return http_header_get(wsi, WSI_TOKEN_EXTENSIONS, offer, sizeof(offer)) &&
	       !strstr(offer, "server_max_window_bits");
}

bool compression_is_used(struct lws *wsi)
{
	return (lws_get_reserved_bits(wsi) & RSV1) != 0;
}
