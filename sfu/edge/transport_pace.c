/* transport_pace.c - pictures that wait until the participant's network has taken those before. */
#include "sfu/edge/transport_private.h"

enum { HELD_MAX = 512 }; /* packets; when there are so many they all go */

struct held_packet {
	struct send_stream_out *stream;
	GstBuffer *buffer; /* a reference */
	bool is_new;
};

/* There while something waits, which is seldom: most networks take more than they are sent. */
struct held_packets {
	size_t first, count, bytes;
	struct held_packet packets[HELD_MAX];
};

static struct held_packet *held_at(struct held_packets *held, size_t i)
{
	return &held->packets[(held->first + i) % HELD_MAX];
}

static void send_first(RtcTransport *transport)
{
	struct held_packets *held = transport->held;
	struct held_packet first = *held_at(held, 0);
	const struct packet *packet;

	held->first = (held->first + 1) % HELD_MAX;
	held->count--;
	held->bytes -= gst_buffer_get_size(first.buffer);
	packet = packet_of_buffer(first.buffer);
	if (send_stream_send(first.stream, packet) && first.is_new)
		forward_delay_on_packet(&transport->port->forward_delay, packet->arrival_us);
	gst_buffer_unref(first.buffer);
}

static void forget_if_empty(RtcTransport *transport)
{
	if (!transport->held || transport->held->count > 0)
		return;
	list_remove(&transport->pacing_link);
	free(transport->held);
	transport->held = NULL;
}

void transport_send_held(RtcTransport *transport)
{
	while (transport->held && transport->held->count > 0)
		send_first(transport);
	forget_if_empty(transport);
}

bool transport_hold(RtcTransport *transport, struct send_stream_out *stream, GstBuffer *buffer,
		    bool is_new)
{
	struct held_packets *held = transport->held;

	if (!stream->is_paced ||
	    (!held && pacer_is_open(&transport->pacer, transport->port->now_us)))
		return false;
	if (held && held->count == HELD_MAX) {
		transport_send_held(transport);
		return false;
	}
	if (!held) {
		held = transport->held = malloc(sizeof(*held));
		if (!held)
			return false;
		held->first = held->count = held->bytes = 0;
		list_append(&transport->port->pacing, &transport->pacing_link);
	}
	*held_at(held, held->count++) =
		(struct held_packet){stream, gst_buffer_ref(buffer), is_new};
	held->bytes += gst_buffer_get_size(buffer);
	transport->counters.paced++;
	return true;
}

void transport_drop_held(RtcTransport *transport, const struct send_stream_out *stream)
{
	struct held_packets *held = transport->held;
	size_t count = held ? held->count : 0, kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct held_packet packet = *held_at(held, i);

		if (packet.stream != stream) {
			*held_at(held, kept++) = packet;
			continue;
		}
		held->bytes -= gst_buffer_get_size(packet.buffer);
		gst_buffer_unref(packet.buffer);
	}
	if (held)
		held->count = kept;
	forget_if_empty(transport);
}

void transport_pace_tick(RtcTransport *transport, int64_t budget_bps)
{
	pacer_set_budget(&transport->pacer, budget_bps,
			 transport->held ? transport->held->bytes : 0);
}

void transport_release_due(struct media_port *port)
{
	RtcTransport *transport;

	LIST_FOR_EACH (transport, &port->pacing, pacing_link) {
		while (transport->held->count > 0 && pacer_is_open(&transport->pacer, port->now_us))
			send_first(transport);
		forget_if_empty(transport);
	}
}
