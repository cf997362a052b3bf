#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/id.h"

/* Copy what fits, without cutting a UTF-8 sequence in two. Messages quote what came from outside:
 * what is no UTF-8 there would be no JSON either, and becomes a question mark. */
static void copy_text(char *destination, size_t size, const char *text)
{
	size_t length = 0, count;

	for (; *text; text += count) {
		bool is_broken;

		count = utf8_sequence_bytes((const uint8_t *)text, strnlen(text, 4));
		is_broken = count == 0;
		count = is_broken ? 1 : count;
		if (length + count >= size)
			break;
		memcpy(destination + length, is_broken ? "?" : text, count);
		length += count;
	}
	destination[length] = '\0';
}

static void fill(struct error *error, int number, const char *code, const char *field,
		 const char *format, va_list arguments) __attribute__((format(printf, 5, 0)));

static void fill(struct error *error, int number, const char *code, const char *field,
		 const char *format, va_list arguments)
{
	char text[sizeof(error->message) * 2];

	error->number = number;
	copy_text(error->code, sizeof(error->code), code);
	copy_text(error->field, sizeof(error->field), field);
	(void)vsnprintf(text, sizeof(text), format, arguments); /* cut text is still a message */
	copy_text(error->message, sizeof(error->message), text);
}

int error_set(struct error *error, int number, const char *code, const char *format, ...)
{
	va_list arguments;

	if (error) {
		va_start(arguments, format);
		fill(error, number, code, "", format, arguments);
		va_end(arguments);
	}
	return number;
}

int error_set_field(struct error *error, int number, const char *code, const char *field,
		    const char *format, ...)
{
	va_list arguments;

	if (error) {
		va_start(arguments, format);
		fill(error, number, code, field, format, arguments);
		va_end(arguments);
	}
	return number;
}
