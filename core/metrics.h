/* metrics.h - numbers about ourselves in the text format of Prometheus (version 0.0.4). Counting is
 * the caller's: these write what was counted. Thread: any, one at a time for each histogram. */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { HISTOGRAM_BOUNDS = 14 };

/* How long things took: from 100 us to 5 s. */
struct histogram {
	uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* the last: longer than the last bound */
	uint64_t sum_us;
};

void histogram_observe(struct histogram *histogram, uint64_t us);
/* So many things took so long each; `sum_us` is the caller's to add to. */
void histogram_count(struct histogram *histogram, uint64_t us, uint64_t count);

/* How often each of a few things happened. Names beyond the bound count as "other". */
enum { TALLY_MAX = 24, TALLY_NAME_SIZE = 48 };

struct tally {
	struct {
		char name[TALLY_NAME_SIZE];
		uint64_t count;
	} items[TALLY_MAX];
	size_t item_count;
};

void tally_add(struct tally *tally, const char *name);
/* A counter with one value for each name, under `label`. */
void metric_tally(FILE *out, const char *name, const char *help, const char *label,
		  const struct tally *tally);

/* # HELP and # TYPE; `type` is "counter" or "gauge". Its values follow. */
void metric_head(FILE *out, const char *name, const char *type, const char *help);
/* `labels` as they stand between the braces, such as `transport="sse"`; NULL for none. */
void metric_value(FILE *out, const char *name, const char *labels, uint64_t value);
/* A head and its only value. */
void metric_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value);
void metric_histogram(FILE *out, const char *name, const char *help,
		      const struct histogram *histogram);
/* One of several under a head of type "histogram", told apart by `labels`; NULL for none. */
void metric_histogram_values(FILE *out, const char *name, const char *labels,
			     const struct histogram *histogram);

/* Processor time, memory, descriptors and start of this process, as Prometheus clients name them;
 * `labels` tell processes on one page apart. What cannot be read is left out. */
void metric_process(FILE *out, const char *labels);

#endif
