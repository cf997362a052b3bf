#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copy what fits, without cutting a UTF-8 sequence in two. */
static void copy_text(char *destination, size_t size, const char *text)
{
	size_t length = strlen(text);

	if (length >= size) {
		length = size - 1;
		while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	memcpy(destination, text, length);
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
