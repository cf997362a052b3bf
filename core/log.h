/* log.h - one line per event: a name and key=value fields, as text or JSON, on standard error.
 *
 *   LOG(LOG_INFO, LOG_WEBRTC, "peer_joined", LOG_TEXT("room", id), LOG_INT("peers", count));
 *
 * Whoever handles a failure logs it, once. State moves at debug, refusals at info, our own faults
 * at error. Never tokens, passwords or keys; nothing per packet. Thread: any.
 */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_LEVEL_COUNT };
enum log_category { LOG_MAIN, LOG_WEBSOCKET, LOG_WEBRTC, LOG_CATEGORY_COUNT };

struct log_field {
	const char *key;
	const char *text; /* NULL: the number counts */
	int64_t number;
};

static inline const char *log_text_or_empty(const char *text)
{
	return text ? text : "";
}

#define LOG_TEXT(key_, text_) ((struct log_field){.key = (key_), .text = log_text_or_empty(text_)})
#define LOG_INT(key_, number_) ((struct log_field){.key = (key_), .number = (int64_t)(number_)})
/* A struct error as three fields. */
#define LOG_ERR(error_)                                                                            \
	LOG_TEXT("code", (error_)->code), LOG_TEXT("field", (error_)->field),                      \
		LOG_TEXT("detail", (error_)->message)

#define LOG(level_, category_, event_, ...)                                                        \
	do {                                                                                       \
		if (log_is_on(level_, category_)) {                                                \
			const struct log_field fields_[] = {LOG_TEXT(NULL, NULL), ##__VA_ARGS__};  \
			log_write(level_, category_, event_, fields_ + 1, ARRAY_LEN(fields_) - 1); \
		}                                                                                  \
	} while (0)

/* What this thread writes from now on belongs to that request (X-Request-Id): each line gets
 * request=…, and what goes over the bus takes it along. Copied; NULL or "": to none. */
enum { LOG_REQUEST_MAX = 64 };
void log_set_request(const char *request_id);
/* "": none. Borrowed until the next one is set. */
const char *log_request(void);

/* `process` ("api", "realtimed", "sfu") is borrowed for good and names the writer in each line. */
void log_init(const char *process, bool as_json);
void log_set_level(enum log_category category, enum log_level level);
/* "debug", "info", "warning", "error"; -EINVAL. */
int log_level_parse(const char *text, enum log_level *ret_level) MUST_CHECK;
bool log_is_on(enum log_level level, enum log_category category);
void log_write(enum log_level level, enum log_category category, const char *event,
	       const struct log_field *fields, size_t count);

#endif
