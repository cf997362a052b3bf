/* openapi.h - the OpenAPI document, made of api/openapi/ when this is built. Thread: any. */
#ifndef API_OPENAPI_H
#define API_OPENAPI_H

#include <stddef.h>

extern const char openapi_document[]; /* compact JSON, NUL-terminated */
extern const size_t openapi_length;   /* without the NUL */
extern const char openapi_etag[];     /* with its quotes */

#endif
