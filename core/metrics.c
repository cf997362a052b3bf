#include "core/metrics.h"

#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cleanup.h"

static const uint64_t bounds_us[HISTOGRAM_BOUNDS] = {
	100,   250,   500,    1000,   2500,   5000,    10000,
	25000, 50000, 100000, 250000, 500000, 1000000, 5000000,
};

void histogram_count(struct histogram *histogram, uint64_t us, uint64_t count)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && us > bounds_us[i])
		i++;
	histogram->counts[i] += count;
}

void histogram_observe(struct histogram *histogram, uint64_t us)
{
	histogram_count(histogram, us, 1);
	histogram->sum_us += us;
}

void tally_add(struct tally *tally, const char *name)
{
	size_t i = 0;

	while (i < tally->item_count && strcmp(tally->items[i].name, name) != 0)
		i++;
	if (i == TALLY_MAX) {
		i = TALLY_MAX - 1; /* the last place is for all the rest */
	} else if (i == tally->item_count) {
		name = i == TALLY_MAX - 1 ? "other" : name;
		(void)snprintf(tally->items[i].name, TALLY_NAME_SIZE, "%s", name);
		tally->item_count++;
	}
	tally->items[i].count++;
}

void metric_tally(FILE *out, const char *name, const char *help, const char *label,
		  const struct tally *tally)
{
	metric_head(out, name, "counter", help);
	for (size_t i = 0; i < tally->item_count; i++)
		(void)fprintf(out, "%s{%s=\"%s\"} %" PRIu64 "\n", name, label, tally->items[i].name,
			      tally->items[i].count);
}

void metric_head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metric_value(FILE *out, const char *name, const char *labels, uint64_t value)
{
	(void)fprintf(out, "%s%s%s%s %" PRIu64 "\n", name, labels ? "{" : "", labels ? labels : "",
		      labels ? "}" : "", value);
}

void metric_one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	metric_head(out, name, type, help);
	metric_value(out, name, NULL, value);
}

void metric_histogram_values(FILE *out, const char *name, const char *labels,
			     const struct histogram *histogram)
{
	const char *own = labels ? labels : "", *comma = labels ? "," : "";
	char braces[128] = "";
	uint64_t count = 0;

	if (labels)
		(void)snprintf(braces, sizeof(braces), "{%s}", labels);
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		count += histogram->counts[i];
		(void)fprintf(out, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, own, comma,
			      (double)bounds_us[i] / 1e6, count);
	}
	count += histogram->counts[HISTOGRAM_BOUNDS];
	(void)fprintf(out,
		      "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n%s_sum%s %.6f\n%s_count%s %" PRIu64
		      "\n",
		      name, own, comma, count, name, braces, (double)histogram->sum_us / 1e6, name,
		      braces, count);
}

void metric_histogram(FILE *out, const char *name, const char *help,
		      const struct histogram *histogram)
{
	metric_head(out, name, "histogram", help);
	metric_histogram_values(out, name, NULL, histogram);
}

static uint64_t resident_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	unsigned long size, resident = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	(void)fclose(file);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	uint64_t count = 0;

	if (!folder)
		return 0;
	while (readdir(folder))
		count++;
	(void)closedir(folder);
	return count > 3 ? count - 3 : 0; /* without "." and ".." and the folder itself */
}

void metric_process(FILE *out, const char *labels)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) == 0) {
		metric_head(out, "process_cpu_seconds_total", "counter",
			    "User and system processor time spent.");
		(void)fprintf(out, "process_cpu_seconds_total{%s} %.2f\n", labels,
			      (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
				      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) /
					      1e6);
	}
	metric_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
	metric_value(out, "process_resident_memory_bytes", labels, resident_bytes());
	metric_head(out, "process_open_fds", "gauge", "Open file descriptors.");
	metric_value(out, "process_open_fds", labels, open_descriptors());
}
