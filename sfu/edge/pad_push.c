#include "sfu/edge/pad_push.h"

enum { IN_THE_WAY = GST_PAD_FLAG_BLOCKED | GST_PAD_FLAG_FLUSHING | GST_PAD_FLAG_EOS };

static gboolean is_plain(GstPad *pad)
{
	return pad->num_probes == 0 && !(GST_OBJECT_FLAGS(pad) & IN_THE_WAY);
}

void pad_push_list(GstPad *source, GstBufferList *list)
{
	GstPad *sink = GST_PAD_PEER(source);

	if (!sink)
		return;
	if (is_plain(source) && !GST_PAD_HAS_PENDING_EVENTS(source) && is_plain(sink))
		(void)GST_PAD_CHAINLISTFUNC(sink)(sink, GST_OBJECT_PARENT(sink),
						  gst_buffer_list_ref(list));
	else
		(void)gst_pad_push_list(source, gst_buffer_list_ref(list));
}

/* ---- memory ---- */

enum { LINE_BYTES = 64, PRIVATE_LINES = 4 };

static void ask_for_pad(GstPad *pad)
{
	__builtin_prefetch(&GST_OBJECT_FLAGS(pad));
	__builtin_prefetch(&pad->element_private);
	__builtin_prefetch(&GST_PAD_PEER(pad));
	__builtin_prefetch(&GST_PAD_CHAINLISTFUNC(pad));
	__builtin_prefetch(&pad->num_probes);
}

void pad_push_ask_for(GstPad *source, unsigned step)
{
	GstPad *sink = step > 0 ? GST_PAD_PEER(source) : NULL;
	const char *private = step > 1 && sink ? sink->element_private : NULL;

	if (step == 0)
		ask_for_pad(source);
	else if (step == 1 && sink)
		ask_for_pad(sink);
	for (int line = 0; private && line < PRIVATE_LINES; line++)
		__builtin_prefetch(private + line * LINE_BYTES);
}
