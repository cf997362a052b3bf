/* text.h - a growing string, for building JSON and event streams by hand where a message is encoded
 * once and sent to thousands. Its error sticks: check `failed` once at the end. Thread: any. */
#ifndef CORE_TEXT_H
#define CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *bytes; /* owned; no NUL at the end */
	size_t length, capacity;
	bool failed; /* out of memory */
};

void text_fini(struct text *text);
void text_add(struct text *text, const char *bytes, size_t length);
void text_add_string(struct text *text, const char *string);
void text_add_number(struct text *text, int64_t number);
/* As a JSON string, in quotes. */
void text_add_quoted(struct text *text, const char *string);
/* Bytes in base64, in quotes. */
void text_add_base64(struct text *text, const void *bytes, size_t length);
/* JSON text with line ends (which JSON knows only between its tokens) made blanks, so that it is
 * one line of an event stream. */
void text_add_json_line(struct text *text, const char *json);

#endif
