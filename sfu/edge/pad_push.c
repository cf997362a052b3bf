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
