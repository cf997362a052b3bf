#include "core/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/id.h"

enum { LINE_MAX_BYTES = 4096 };

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *const category_names[] = {"realtime", "realtime.websocket", "realtime.webrtc"};

static const char *log_process = "realtime";
static bool log_as_json;
static enum log_level log_levels[LOG_CATEGORY_COUNT] = {LOG_INFO, LOG_INFO, LOG_INFO};

static _Thread_local char log_request_id[LOG_REQUEST_MAX + 1];

struct line {
	char text[LINE_MAX_BYTES];
	size_t length;
};

static void add_char(struct line *line, char c)
{
	if (line->length < sizeof(line->text) - 4) /* keep room for the closing quote and newline */
		line->text[line->length++] = c;
}

static void add(struct line *line, const char *text)
{
	for (; *text; text++)
		add_char(line, *text);
}

/* Of UTF-8; 0: it is none, as what comes from outside may be. */
static size_t character_bytes(const char *text)
{
	return utf8_sequence_bytes((const uint8_t *)text, strnlen(text, 4));
}

/* In quotes, with everything escaped that could forge a second line or field, or is no UTF-8. */
static void add_quoted(struct line *line, const char *text)
{
	add_char(line, '"');
	for (size_t count; *text; text += count ? count : 1) {
		unsigned char c = (unsigned char)*text;
		char escape[8];

		count = character_bytes(text);
		if (c == '"' || c == '\\') {
			add_char(line, '\\');
			add_char(line, (char)c);
		} else if (count > 1) {
			for (size_t i = 0; i < count; i++)
				add_char(line, text[i]);
		} else if (count == 0 || c < 0x20 || c == 0x7f) {
			(void)snprintf(escape, sizeof(escape), "\\u%04x", c);
			add(line, escape);
		} else {
			add_char(line, (char)c);
		}
	}
	if (line->length < sizeof(line->text) - 2)
		line->text[line->length++] = '"';
}

static bool is_plain_word(const char *text)
{
	if (!*text)
		return false;
	for (size_t count; *text; text += count) {
		count = character_bytes(text);
		if (count == 0 || (unsigned char)*text <= 0x20 || *text == '"' || *text == '=' ||
		    *text == 0x7f)
			return false;
	}
	return true;
}

static void add_field(struct line *line, const struct log_field *field)
{
	char number[24];

	if (log_as_json) {
		add(line, ",\"");
		add(line, field->key);
		add(line, "\":");
	} else {
		add_char(line, ' ');
		add(line, field->key);
		add_char(line, '=');
	}
	if (!field->text) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)field->number);
		add(line, number);
	} else if (!log_as_json && is_plain_word(field->text)) {
		add(line, field->text);
	} else {
		add_quoted(line, field->text);
	}
}

static void add_time(struct line *line)
{
	struct timespec now;
	struct tm calendar;
	char text[40], millis[24];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &calendar);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &calendar);
	(void)snprintf(millis, sizeof(millis), ".%03ldZ", now.tv_nsec / 1000000);
	add(line, text);
	add(line, millis);
}

void log_write(enum log_level level, enum log_category category, const char *event,
	       const struct log_field *fields, size_t count)
{
	struct line line = {.length = 0};

	if (log_as_json) {
		add(&line, "{\"time\":\"");
		add_time(&line);
		add(&line, "\",\"level\":\"");
		add(&line, level_names[level]);
		add(&line, "\",\"logger\":\"");
		add(&line, category_names[category]);
		add(&line, "\",\"process\":\"");
		add(&line, log_process);
		add(&line, "\",\"event\":\"");
		add(&line, event);
		add_char(&line, '"');
	} else {
		add_time(&line);
		add_char(&line, ' ');
		add(&line, level_names[level]);
		add_char(&line, ' ');
		add(&line, log_process);
		add_char(&line, ' ');
		add(&line, event);
	}
	if (*log_request_id)
		add_field(&line, &LOG_TEXT("request", log_request_id));
	for (size_t i = 0; i < count; i++)
		if (!fields[i].text || *fields[i].text || log_as_json)
			add_field(&line, &fields[i]);
	if (log_as_json)
		line.text[line.length++] = '}';
	line.text[line.length++] = '\n';
	(void)fwrite(line.text, 1, line.length, stderr); /* a log that cannot be written is lost */
}

void log_set_request(const char *request_id)
{
	(void)snprintf(log_request_id, sizeof(log_request_id), "%s", request_id ? request_id : "");
}

const char *log_request(void)
{
	return log_request_id;
}

void log_init(const char *process, bool as_json)
{
	log_process = process;
	log_as_json = as_json;
}

void log_set_level(enum log_category category, enum log_level level)
{
	log_levels[category] = level;
}

int log_level_parse(const char *text, enum log_level *ret_level)
{
	for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++) {
		if (strcasecmp(text, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

bool log_is_on(enum log_level level, enum log_category category)
{
	return level >= log_levels[category];
}
