/* disposition.h - Content-Disposition of an answer (RFC 6266, RFC 8187). Pure. Thread: any. */
#ifndef API_WIRE_DISPOSITION_H
#define API_WIRE_DISPOSITION_H

#include <stdbool.h>
#include <stddef.h>

enum { DISPOSITION_SIZE = 32 + 256 + 32 + 3 * 256 };

/* May a browser show it where it is? Pictures (but SVG, which is a program), sound, films, PDF and
 * plain text; all else is to be saved. */
bool disposition_is_inline(const char *content_type);

/* inline or attachment, with the name in both forms: as ASCII for old clients, with what is not
 * replaced by "_", and percent-encoded. `filename` "": none. */
void disposition_format(bool is_inline, const char *filename, char out[DISPOSITION_SIZE]);

#endif
