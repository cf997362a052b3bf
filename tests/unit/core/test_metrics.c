#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "core/metrics.h"

static void a_histogram_counts_up_to_each_bound(void **state)
{
	struct histogram histogram = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	histogram_observe(&histogram, 0);
	histogram_observe(&histogram, 100);
	histogram_observe(&histogram, 101);
	histogram_observe(&histogram, 9000000);
	metric_histogram(out, "x_seconds", "Waiting.", &histogram);
	(void)fclose(out);
	assert_non_null(strstr(text, "# TYPE x_seconds histogram\n"));
	assert_non_null(strstr(text, "x_seconds_bucket{le=\"0.0001\"} 2\n"));
	assert_non_null(strstr(text, "x_seconds_bucket{le=\"0.00025\"} 3\n"));
	assert_non_null(strstr(text, "x_seconds_bucket{le=\"5\"} 3\n"));
	assert_non_null(strstr(text, "x_seconds_bucket{le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(text, "x_seconds_sum 9.000201\nx_seconds_count 4\n"));
	free(text);
}

static void histograms_are_told_apart_by_labels(void **state)
{
	struct histogram histogram = {0};
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	histogram_count(&histogram, 200, 3);
	histogram.sum_us = 600;
	metric_head(out, "x_seconds", "histogram", "Waiting.");
	metric_histogram_values(out, "x_seconds", "worker=\"1\"", &histogram);
	(void)fclose(out);
	assert_non_null(strstr(text, "\nx_seconds_bucket{worker=\"1\",le=\"0.0001\"} 0\n"));
	assert_non_null(strstr(text, "\nx_seconds_bucket{worker=\"1\",le=\"0.00025\"} 3\n"));
	assert_non_null(strstr(text, "\nx_seconds_sum{worker=\"1\"} 0.000600\n"
				     "x_seconds_count{worker=\"1\"} 3\n"));
	free(text);
}

static void values_have_labels_or_none(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	metric_head(out, "a", "gauge", "Help.");
	metric_value(out, "a", "b=\"c\"", 1);
	metric_one(out, "d_total", "counter", "More.", 2);
	(void)fclose(out);
	assert_string_equal(text, "# HELP a Help.\n# TYPE a gauge\na{b=\"c\"} 1\n"
				  "# HELP d_total More.\n# TYPE d_total counter\nd_total 2\n");
	free(text);
}

static void a_tally_is_bounded(void **state)
{
	struct tally tally = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		tally_add(&tally, name);
		tally_add(&tally, "n0");
	}
	assert_int_equal(tally.item_count, TALLY_MAX);
	assert_int_equal(tally.items[0].count, 101);
	assert_string_equal(tally.items[TALLY_MAX - 1].name, "other");
	assert_int_equal(tally.items[TALLY_MAX - 1].count, 100 - (TALLY_MAX - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_counts_up_to_each_bound),
		cmocka_unit_test(histograms_are_told_apart_by_labels),
		cmocka_unit_test(values_have_labels_or_none),
		cmocka_unit_test(a_tally_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
