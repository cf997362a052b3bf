/* /realtime/openapi.json: what this API offers, in a form for programs. */
#include "api/openapi.h"

#include "api/handlers/handlers.h"
#include "api/wire/range.h"

int openapi_get(struct api *api, struct request *request, struct response *response,
		struct error *reterr)
{
	const char *if_none_match = request_header(request, "If-None-Match");

	(void)api;
	(void)reterr;
	response_header(response, "ETag", "%s", openapi_etag);
	response_header_replace(response, "Cache-Control", "no-cache");
	if (if_none_match && etag_list_has(if_none_match, openapi_etag, true)) {
		response_empty(response, 304);
		return 0;
	}
	return response_text(response, 200, "application/json", openapi_document);
}
