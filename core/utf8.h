/* utf8.h - is it UTF-8 (RFC 3629)? Thread: any. */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_is_valid(const char *text, size_t length);

#endif
