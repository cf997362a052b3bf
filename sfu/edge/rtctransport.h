/* rtctransport.h - the GStreamer element of one participant's connection: ICE-lite, DTLS, SRTP,
 * RTCP.
 *
 *   src_MID   what the participant sends, one pad per m-line it publishes on
 *   sink_MID  what it is sent, one pad per m-line that carries somebody's track
 *
 *   NEW --authenticated check--> CHECKED --DTLS done, fingerprint right--> CONNECTED
 *   any --silence, DTLS failure, close_notify--> ENDED (transport_events.ended)
 *
 * Sources: transport_receive.c (in), transport_send.c and transport_repeat.c (out),
 * transport_rtcp.c (reports). Thread: worker.
 */
#ifndef SFU_EDGE_RTCTRANSPORT_H
#define SFU_EDGE_RTCTRANSPORT_H

#include <gst/gst.h>
#include <jansson.h>

#include "sfu/edge/dtls_link.h"
#include "sfu/edge/media_port.h"
#include "sfu/edge/rtctrack.h"
#include "sfu/model/forwarder.h"
#include "sfu/model/negotiation.h"

#define RTC_TYPE_TRANSPORT (rtc_transport_get_type())
G_DECLARE_FINAL_TYPE(RtcTransport, rtc_transport, RTC, TRANSPORT, GstElement)

enum transport_state { TRANSPORT_NEW, TRANSPORT_CHECKED, TRANSPORT_CONNECTED, TRANSPORT_ENDED };

struct transport_events {
	/* From inside packet handling: note it, act on the next tick. `error` is borrowed. */
	void (*connected)(void *data);
	void (*ended)(void *data, const struct error *error);
	/* It carries less than it did. */
	void (*narrowed)(void *data);
};

struct transport_config {
	const char *name;		      /* of the element, unique in the room */
	const char *room_id, *peer_id;	      /* for logs; borrowed, outlive the transport */
	struct media_port *port;	      /* borrowed */
	const struct dtls_identity *dtls;     /* borrowed */
	const char *ice_ufrag, *ice_password; /* copied */
	const char *cname;		      /* borrowed, outlives the transport */
	const struct transport_events *events;
	void *events_data;
};

/* The reference is floating. NULL without memory. */
RtcTransport *rtc_transport_new(const struct transport_config *config);
/* Say goodbye to the peer, leave the port. The element stays until its last reference goes. */
void rtc_transport_stop(RtcTransport *transport);
enum transport_state rtc_transport_state(const RtcTransport *transport);
/* Say "never_connected": how far it has come in so many seconds, and what may help. */
void rtc_transport_explain(const RtcTransport *transport, unsigned seconds,
			   struct error *ret_error);
/* The path in use, for statistics; NULL if there is none yet. */
const struct net_path *rtc_transport_path(const RtcTransport *transport);

/* From now on the peer checks with these credentials (copied). Those before go on to be good, so
 * that media flows on the old path until the new one is there. */
void rtc_transport_restart_ice(RtcTransport *transport, const char *ice_ufrag,
			       const char *ice_password);

/* The certificate that the peer's SDP announces; DTLS waits for it. */
void rtc_transport_set_fingerprint(RtcTransport *transport, const uint8_t fingerprint_sha256[32]);

/* Receive what `line` publishes (again: with changed numbers). The pads, one for each layer and
 * NULL behind the last, are the element's. -ENOMEM. */
int rtc_transport_receive(RtcTransport *transport, const struct media_line *line,
			  GstPad *ret_pads[LAYERS_MAX]) MUST_CHECK;
void rtc_transport_receive_end(RtcTransport *transport, const char *mid);

/* Send `track` on `line`; the pad is to be linked to one of the track's. `incoming_ids` are the
 * numbers of the publisher's header extensions. -ENOMEM. */
int rtc_transport_send(RtcTransport *transport, const struct media_line *line, RtcTrack *track,
		       const uint8_t incoming_ids[EXTENSION_COUNT], uint8_t abs_send_time_id,
		       GstPad **ret_pad) MUST_CHECK;
void rtc_transport_send_end(RtcTransport *transport, GstPad *pad);
/* The stream goes on with another track of the same format, at its next keyframe: SSRC and numbers
 * stay, nothing flows until a layer is set. */
void rtc_transport_send_other(GstPad *pad, const struct media_line *line, RtcTrack *track,
			      const uint8_t incoming_ids[EXTENSION_COUNT]);
/* Which layer of its track the pad should forward (LAYER_NONE: nothing), and which does. With
 * `is_urgent` the present one stops before the next begins. */
void rtc_transport_set_layer(GstPad *pad, uint8_t layer, bool is_urgent);
uint8_t rtc_transport_layer(GstPad *pad);
/* Nothing was sent for too long, and which other layers may begin then: see forwarder_is_dark(). */
bool rtc_transport_is_dark(GstPad *pad);
void rtc_transport_set_stopgaps(GstPad *pad, unsigned layers);
/* How many temporal layers of it: see forwarder_set_temporal(). */
void rtc_transport_set_temporal(GstPad *pad, uint8_t target_most, uint8_t meanwhile_most);
/* How many spatial layers inside it: see forwarder_set_spatial(). To be said again as long as it
 * holds: it asks for the keyframe that more of them need. And the highest that may flow now;
 * LAYER_NONE: nothing flows. */
void rtc_transport_set_spatial(GstPad *pad, uint8_t target, uint8_t bound);
uint8_t rtc_transport_spatial(GstPad *pad);
/* The subscriber is sent what tells frames of spatial layers apart where the payload does not. */
bool rtc_transport_sends_dependencies(GstPad *pad);

/* What the way to the participant carries, bit/s; ALLOCATOR_BUDGET_UNLIMITED if it tells nothing.
 */
int64_t rtc_transport_budget_bps(const RtcTransport *transport);
/* So much could be sent if there were room: whether there is, is looked for. */
void rtc_transport_set_wanted(RtcTransport *transport, uint64_t wanted_bps);

/* The way from the participant is losing most of what it sends, or did until just now. */
bool rtc_transport_uplink_has_collapsed(const RtcTransport *transport);

/* ---- the worker's side ---- */

/* A datagram of the port: finds its transport, or drops and counts it. Takes what it keeps. */
void transport_dispatch(struct media_port *port, struct datagram *datagram);
/* Push what the last batch brought into the graph, one list per stream. */
void transport_deliver_pending(struct media_port *port);
/* Send what has waited long enough for its participant's network (transport_pace.c). */
void transport_release_due(struct media_port *port);
/* Timers: every 20 ms, or less often if it is calm: connected, sent all that it could be sent, and
 * nothing of that waits. */
void rtc_transport_tick(RtcTransport *transport);
bool rtc_transport_is_calm(const RtcTransport *transport);

/* All of a worker's: what they are and have counted, and what their ways carry together, of those
 * who tell something of them. */
struct transport_totals {
	size_t by_state[TRANSPORT_ENDED + 1];
	size_t estimated, collapsed;
	uint64_t estimate_bps, wanted_bps;
	struct media_counters media;
};
void rtc_transport_add_totals(const RtcTransport *transport, struct transport_totals *totals);
const char *transport_state_name(enum transport_state state);

/* What is known of its ways and streams; new. */
json_t *rtc_transport_stats(RtcTransport *transport);
json_t *rtc_transport_send_stats(GstPad *pad);

#endif
