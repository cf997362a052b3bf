/* next_json.h - messages as the client reads them off its outbox. Thread: one. */
#ifndef TESTS_UNIT_REALTIME_NEXT_JSON_H
#define TESTS_UNIT_REALTIME_NEXT_JSON_H

#include <jansson.h>

#include "realtime/model/outbox.h"

/* The next message, which is one text frame of at most 64 KiB and leaves the outbox; the caller's.
 * The test fails if there is none. */
json_t *next_json(struct outbox *outbox);

#endif
