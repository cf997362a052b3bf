/* transport_private.h - the inside of rtctransport, for its own sources alone. Thread: worker. */
#ifndef SFU_EDGE_TRANSPORT_PRIVATE_H
#define SFU_EDGE_TRANSPORT_PRIVATE_H

#include "sfu/edge/rtctransport.h"
#include "sfu/model/active_speaker.h"
#include "sfu/model/arrival_log.h"
#include "sfu/model/bandwidth.h"
#include "sfu/model/forwarder.h"
#include "sfu/model/keyframe_wish.h"
#include "sfu/model/nack_tracker.h"
#include "sfu/model/pacer.h"
#include "sfu/model/rate_meter.h"
#include "sfu/model/receive_stats.h"
#include "sfu/model/repeats.h"
#include "sfu/model/round_trip.h"
#include "sfu/model/send_history.h"
#include "sfu/model/sender_clock.h"
#include "sfu/model/sent_numbers.h"
#include "sfu/model/uplink_health.h"
#include "sfu/wire/dependency_descriptor.h"

enum {
	TRANSPORT_PATHS_MAX = 8,
	REPORT_INTERVAL_US = 1000000,
	FEEDBACK_INTERVAL_US = 50000,
	IP_UDP_BYTES = 28 /* around each packet */
};

/* A path that passed an authenticated check. */
struct checked_path {
	struct net_path path;
	struct egress_target target;
	uint32_t priority;
	uint64_t last_us;
	uint64_t unproven_since_us; /* opened by media alone; 0: a check came on it */
	unsigned generation;	    /* of the credentials that the last check had */
};

struct ice_credentials {
	char ufrag[32], password[40];
};

/* An m-line's incoming stream; with simulcast, one of its layers. */
struct receive_stream {
	struct list link;	  /* in RtcTransport.receive_streams */
	struct list pending_link; /* in media_port.pending while `list` has packets */
	RtcTransport *transport;
	GstPad *pad; /* src; the element's */
	GstBufferList *list;
	char mid[SDP_MID_MAX + 1];
	char rid[SDP_RID_MAX + 1]; /* "": the only layer, or one told by its SSRC alone */
	uint8_t layer;
	bool is_one_of_many; /* of several layers */
	bool is_video, wants_nack;
	bool is_wanted;			    /* somebody is sent it; told by the track */
	keyframe_start_fn keyframe_start;   /* of its codec; NULL for audio */
	picture_numbers_fn picture_numbers; /* NULL if it has none */
	picture_sizes_fn picture_sizes;
	struct dependency_structure dependencies; /* as its dependency descriptors brought them */
	uint8_t payload_type, rtx_payload_type;
	uint8_t red_payload_type; /* of redundant audio; 0: none */
	uint32_t ssrc, rtx_ssrc;  /* 0: not known yet */
	uint32_t previous_ssrc;	  /* its stragglers are dropped; 0: none */
	struct receive_stats stats;
	struct nack_tracker nacks;
	uint32_t clock_rate_hz;
	uint64_t nacks_sent, plis_sent;
	int32_t lost_most; /* as counted: the most that was missing at a time */
};

/* One m-line's outgoing stream. Of each there is one for each subscriber, so all of them are never
 * in the processor's cache: what a packet needs comes first. */
struct send_stream_out {
	RtcTransport *transport;
	struct srtp_stream *srtp;	/* borrowed from crypto_out; NULL: nothing was sent yet */
	struct sent_numbers *numbers;	/* owned; where what is sent has to be repeated with them */
	bool is_paced;			/* pictures; sound goes at once */
	bool is_beginning;		/* what came before `beginning` did has not been sent yet */
	uint8_t red_payload_type;	/* 0: it does not take redundant audio */
	uint8_t incoming_dependency_id; /* the publisher's number of that descriptor; 0: none */
	uint8_t transport_cc_id;	/* of the extension that numbers what we send; 0: none */
	uint8_t abs_send_time_id;	/* of the one that tells when, where nothing is numbered */
	struct forwarder forwarder;

	struct list link;	   /* in RtcTransport.send_streams */
	GstPad *pad;		   /* sink; the element's */
	RtcTrack *track;	   /* a reference */
	struct sender_clock clock; /* the publisher's, told by an event */
	uint64_t reported_at_us;   /* our last SR */
	struct keyframe_wish keyframe_wish;
	struct { /* the keyframe that a layer began with */
		uint8_t layer;
		uint16_t sequence_number; /* of its first packet, as it came */
		uint64_t arrival_us;
	} beginning;
	struct repeats *repeats; /* owned; NULL until something was repeated */
	struct {		 /* how the subscriber says it fares */
		uint64_t at_us;	 /* 0: it has said nothing */
		struct rtcp_report_block block;
		int32_t lost_most; /* as counted */
	} heard;
	uint64_t nacks_received, plis_received, firs_received, retransmitted, retransmitted_bytes;
	struct rate_meter meter;
};

struct _RtcTransport {
	GstElement parent;
	enum transport_state state;
	struct transport_config config;

	/* What each packet to the participant needs, so that it lies together. */
	struct media_port *port;
	struct media_crypto *crypto_out;
	struct held_packets *held;    /* owned; NULL: nothing waits (transport_pace.c) */
	struct send_history *history; /* owned; NULL until something numbered is sent to it */
	struct pacer pacer;
	int selected;  /* index in paths, -1: none */
	uint8_t probe; /* what is sent now is of this probe; 0: none */
	struct media_counters counters;

	/* The present ones at [generation % 2], those before an ICE restart in the other place. */
	struct ice_credentials credentials[2];
	unsigned generation;
	struct checked_path paths[TRANSPORT_PATHS_MAX];
	size_t path_count;
	uint64_t last_heard_us, last_rtp_us;

	bool has_fingerprint;
	uint8_t fingerprint_sha256[32];
	struct dtls_link *dtls; /* NULL until the first DTLS datagram */
	struct media_crypto *crypto_in;

	struct list receive_streams, send_streams;
	struct { /* the publisher's; 0: none */
		uint8_t mid, rid, repaired_rid, transport_cc, audio_level, dependency_descriptor,
			capture_time;
	} extension_ids;
	struct arrival_log *arrivals; /* owned; NULL until it publishes with numbers */
	struct uplink_health uplink;
	uint64_t limited_at_us; /* when the publisher was last told a limit; 0: none holds */
	struct sender_clock clock;

	uint32_t local_ssrc; /* ours in RTCP */
	struct round_trip round_trip;
	uint64_t reported_at_us, feedback_at_us;
	uint64_t sending_at_us; /* what it is sent was seen to */
	bool has_unreported;	/* one of that has had no SR yet */
	struct rate_meter meter_in, meter_out;

	/* What the way to the participant carries. */
	struct bandwidth bandwidth;
	/* By the last two feedbacks, the time since the newest packet that had arrived was sent; 0:
	 * there were none. */
	uint64_t newest_age_us[2];
	uint64_t wanted_bps; /* what could be sent if there were room */
	uint64_t remb_bps, remb_at_us;
	double retransmit_bytes; /* what it may make us repeat now */
	uint64_t refilled_at_us; /* when that was last added to */
	unsigned results_left;	 /* of so many packets it may tell now how they fared */
	struct list pacing_link; /* in media_port.pacing while something is held */
};

void transport_end(RtcTransport *transport, const struct error *error);

/* rtctransport.c */
/* Media came on a path that no check has opened, and it is the transport's: use it. */
void transport_adopt_path(RtcTransport *transport, const struct net_path *path);

/* transport_rebind.c */
/* Whose is RTP or RTCP from a path that nobody has opened? True: somebody's, and it is dealt with.
 */
bool transport_take_rebound(struct media_port *port, struct datagram *datagram,
			    enum packet_kind kind);

/* transport_receive.c */
/* False: it does not authenticate. */
bool transport_on_rtp(RtcTransport *transport, struct datagram *datagram);
/* What has authenticated and is decrypted, `length` bytes of the packet. */
void transport_on_plain_rtp(RtcTransport *transport, struct datagram *datagram, size_t length);
void receive_stream_free(struct receive_stream *stream);
struct receive_stream *receive_stream_find_ssrc(RtcTransport *transport, uint32_t ssrc);

/* transport_send.c */
void send_stream_free(struct send_stream_out *stream);
struct send_stream_out *send_stream_find_ssrc(RtcTransport *transport, uint32_t ssrc);
/* Ask the publisher for a keyframe, as soon as the subscriber may. */
void send_stream_want_keyframe(struct send_stream_out *stream);
/* What was withheld, when its time has come. */
void send_stream_tick(struct send_stream_out *stream);
/* Protect and queue one RTCP packet of `length` bytes that stands in `bytes[EGRESS_PACKET_MAX]`,
 * as reserved with egress_reserve(). */
void transport_commit_rtcp(RtcTransport *transport, uint8_t *bytes, size_t length);
struct egress_target *transport_target(RtcTransport *transport);
/* One packet to the subscriber, numbered anew and encrypted. False: it is not for it, or there is
 * no way to it. */
bool send_stream_send(struct send_stream_out *stream, const struct packet *packet);

/* transport_repeat.c */
/* A subscriber misses packets: repeat them from the track's cache. */
void send_stream_on_nack(struct send_stream_out *stream, const uint16_t *sequence_numbers,
			 size_t count);
/* A burst that shows whether there is more room: what could be sent for it, and send it. */
enum probe_matter { PROBE_NOTHING, PROBE_PADDING, PROBE_REPEATS };
enum probe_matter transport_probe_matter(const RtcTransport *transport);
void transport_send_probe(RtcTransport *transport, uint8_t probe, size_t byte_count);

/* transport_pace.c */
/* True: it has to wait, and a reference to the buffer is kept; false: it may be sent now. It is
 * new, or what somebody begins with. */
bool transport_hold(RtcTransport *transport, struct send_stream_out *stream, GstBuffer *buffer,
		    bool is_new);
/* All that waits goes now: something follows that has to come after it. */
void transport_send_held(RtcTransport *transport);
/* What waits of this stream is not sent. */
void transport_drop_held(RtcTransport *transport, const struct send_stream_out *stream);
void transport_pace_tick(RtcTransport *transport, int64_t budget_bps);

/* transport_bandwidth.c */
void transport_bandwidth_init(RtcTransport *transport);
/* How long it takes to hear of a packet sent now, at the least; 0: not known. */
uint64_t transport_answer_us(const RtcTransport *transport);
/* The number for the next packet of a numbered stream, to be confirmed with transport_note_sent()
 * once it is sent. */
static inline uint16_t transport_next_number(const RtcTransport *transport)
{
	return transport->history->next_sequence;
}
void transport_note_sent(RtcTransport *transport, size_t srtp_bytes);
void transport_on_feedback(RtcTransport *transport, struct slice packet);
void transport_on_remb(RtcTransport *transport, uint64_t bitrate_bps);
void transport_bandwidth_tick(RtcTransport *transport);

/* transport_stats.c */
void transport_meter_tick(RtcTransport *transport);

/* transport_rtcp.c */
/* False: it does not authenticate. */
bool transport_on_rtcp(RtcTransport *transport, struct packet *packet);
void transport_on_plain_rtcp(RtcTransport *transport, const uint8_t *bytes, size_t length);
void transport_rtcp_tick(RtcTransport *transport);
/* False: it would only do harm now, ask again later. */
bool transport_send_pli(struct receive_stream *stream);
/* The event that carries a publisher's sender report of one layer to its subscribers. */
GstEvent *sender_report_event_void(uint8_t layer); /* forget the last one */
void sender_report_event_read(GstEvent *event, struct send_stream_out *stream);

#endif
