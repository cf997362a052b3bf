/* sniff.h - what do bytes look like? By libmagic, from their beginning alone. A library of its own,
 * so that only who needs libmagic links it. Thread: one at a time for each sniffer. */
#ifndef CORE_SNIFF_SNIFF_H
#define CORE_SNIFF_SNIFF_H

#include <stddef.h>

#include "core/cleanup.h"
#include "core/error.h"

struct sniffer;

/* Reads libmagic's database, some megabytes, once. -EIO "sniffer_failed"   -ENOMEM */
int sniffer_new(struct sniffer **ret_sniffer, struct error *reterr) MUST_CHECK;
struct sniffer *sniffer_free(struct sniffer *sniffer);
DEFINE_AUTO(sniffer, sniffer_free);

/* A media type without parameters; "application/octet-stream" for what it does not know. Borrowed
 * until the next call. */
const char *sniffer_type(struct sniffer *sniffer, const void *bytes, size_t length);

#endif
