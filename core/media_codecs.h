/* media_codecs.h - the codecs by name, for those who store and hand on lists of them.
 *
 * What the media relay knows of each is in sfu/model/relay_codec.c; a test compares the two.
 * Thread: any.
 */
#ifndef CORE_MEDIA_CODECS_H
#define CORE_MEDIA_CODECS_H

#include <stdbool.h>
#include <stddef.h>
#include <strings.h>

#include "core/cleanup.h"

static const char *const media_codec_names[] = {"opus", "VP8", "H264", "VP9", "AV1"};
#define MEDIA_CODEC_NAMES_TEXT "opus, VP8, H264, VP9, AV1"

/* Case does not matter, as in SDP. */
static inline bool media_codec_is_known(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(media_codec_names); i++)
		if (strcasecmp(media_codec_names[i], name) == 0)
			return true;
	return false;
}

#endif
