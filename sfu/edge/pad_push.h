/* pad_push.h - a list of packets from one pad to the next, without what does not concern a relay.
 *
 * gst_pad_push_list() takes four locks and asks after probes, blocks and pending events for each
 * subscriber of each picture: a tenth of what forwarding a packet costs. A room's graph is one
 * thread's (its worker's), which also links and unlinks it, so nothing of that can change
 * meanwhile. Where there is a probe, a block or an event to be passed on first, GStreamer's own
 * way is taken. Thread: worker.
 */
#ifndef SFU_EDGE_PAD_PUSH_H
#define SFU_EDGE_PAD_PUSH_H

#include <gst/gst.h>

/* `list` is borrowed. Nothing happens where the pad is not linked. */
void pad_push_list(GstPad *source, GstBufferList *list);

/* Of many pads in turn none is in the processor's cache, and each push would wait for memory a
 * dozen times. So they are asked for some pushes ahead, in three steps that each need what the one
 * before has brought: the pad, the pad it is linked to, and what that keeps as its private data. */
enum { PAD_PUSH_STEPS = 3 };
void pad_push_ask_for(GstPad *source, unsigned step);

#endif
