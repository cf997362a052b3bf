/* The short way from pad to pad is GStreamer's own wherever that would make a difference. */
#include <string.h>

#include "sfu/edge/pad_push.h"
#include "tests/unit/cmocka_all.h"

/* What the sink was given, in its order: L a list, C caps, S the stream's start. */
struct sink_log {
	char text[16];
	size_t length;
	guint buffers;
};

struct pair {
	GstPad *source, *sink;
	GstBufferList *list;
	struct sink_log log;
};

static void note(struct sink_log *log, char what)
{
	assert_in_range(log->length, 0, sizeof(log->text) - 2);
	log->text[log->length++] = what;
	log->text[log->length] = '\0';
}

static GstFlowReturn on_list(GstPad *pad, GstObject *parent, GstBufferList *list)
{
	struct sink_log *log = gst_pad_get_element_private(pad);

	(void)parent;
	note(log, 'L');
	log->buffers += gst_buffer_list_length(list);
	gst_buffer_list_unref(list);
	return GST_FLOW_OK;
}

static gboolean on_event(GstPad *pad, GstObject *parent, GstEvent *event)
{
	(void)parent;
	if (GST_EVENT_TYPE(event) == GST_EVENT_STREAM_START)
		note(gst_pad_get_element_private(pad), 'S');
	if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS)
		note(gst_pad_get_element_private(pad), 'C');
	gst_event_unref(event);
	return TRUE;
}

static void pair_init(struct pair *pair)
{
	GstSegment segment;

	gst_segment_init(&segment, GST_FORMAT_TIME);
	*pair = (struct pair){.source = gst_pad_new("src", GST_PAD_SRC),
			      .sink = gst_pad_new("sink", GST_PAD_SINK),
			      .list = gst_buffer_list_new()};
	gst_buffer_list_add(pair->list, gst_buffer_new());
	gst_buffer_list_add(pair->list, gst_buffer_new());
	gst_pad_set_element_private(pair->sink, &pair->log);
	gst_pad_set_chain_list_function(pair->sink, on_list);
	gst_pad_set_event_function(pair->sink, on_event);
	assert_true(gst_pad_set_active(pair->source, TRUE));
	assert_true(gst_pad_set_active(pair->sink, TRUE));
	assert_int_equal(gst_pad_link(pair->source, pair->sink), GST_PAD_LINK_OK);
	/* As the relay's pads do once, when a stream begins. */
	(void)gst_pad_push_event(pair->source, gst_event_new_stream_start("one"));
	(void)gst_pad_push_event(pair->source,
				 gst_event_new_caps(gst_caps_new_empty_simple("x/rtp")));
	(void)gst_pad_push_event(pair->source, gst_event_new_segment(&segment));
}

/* Nobody has kept the list: who pushes fills it again. */
static void pair_fini(struct pair *pair)
{
	assert_true(gst_buffer_list_is_writable(pair->list));
	gst_buffer_list_unref(pair->list);
	(void)gst_pad_set_active(pair->source, FALSE);
	(void)gst_pad_set_active(pair->sink, FALSE);
	gst_object_unref(pair->source);
	gst_object_unref(pair->sink);
}

static void a_list_goes_to_the_pad_that_is_linked(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair);
	pad_push_list(pair.source, pair.list);
	pad_push_list(pair.source, pair.list);
	assert_int_equal(pair.log.buffers, 4);
	assert_string_equal(pair.log.text, "SCLL");

	assert_true(gst_pad_unlink(pair.source, pair.sink));
	pad_push_list(pair.source, pair.list);
	assert_int_equal(pair.log.buffers, 4);
	pair_fini(&pair);
}

static void what_a_new_sink_has_not_heard_comes_first(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair);
	assert_true(gst_pad_unlink(pair.source, pair.sink));
	(void)gst_pad_set_active(pair.sink, FALSE); /* forgets what it has heard */
	(void)gst_pad_set_active(pair.sink, TRUE);
	assert_int_equal(gst_pad_link(pair.source, pair.sink), GST_PAD_LINK_OK);
	memset(&pair.log, 0, sizeof(pair.log));
	pad_push_list(pair.source, pair.list);
	assert_string_equal(pair.log.text, "SCL");
	pair_fini(&pair);
}

static void a_sink_that_is_not_active_gets_nothing(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair);
	(void)gst_pad_set_active(pair.sink, FALSE);
	pad_push_list(pair.source, pair.list);
	assert_int_equal(pair.log.buffers, 0);
	pair_fini(&pair);
}

static GstPadProbeReturn drop(GstPad *pad, GstPadProbeInfo *info, gpointer count)
{
	(void)pad;
	(void)info;
	++*(unsigned *)count;
	return GST_PAD_PROBE_DROP;
}

static void a_probe_on_either_pad_is_asked(void **state)
{
	unsigned asked = 0;

	(void)state;
	for (int side = 0; side < 2; side++) {
		struct pair pair;
		GstPad *pad;
		gulong probe;

		pair_init(&pair);
		pad = side ? pair.sink : pair.source;
		probe = gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_BUFFER_LIST, drop, &asked, NULL);
		pad_push_list(pair.source, pair.list);
		assert_int_equal(asked, side + 1);
		assert_int_equal(pair.log.buffers, 0);
		gst_pad_remove_probe(pad, probe);
		pad_push_list(pair.source, pair.list);
		assert_int_equal(pair.log.buffers, 2);
		pair_fini(&pair);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_goes_to_the_pad_that_is_linked),
		cmocka_unit_test(what_a_new_sink_has_not_heard_comes_first),
		cmocka_unit_test(a_sink_that_is_not_active_gets_nothing),
		cmocka_unit_test(a_probe_on_either_pad_is_asked),
	};

	gst_init(&argc, &argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
