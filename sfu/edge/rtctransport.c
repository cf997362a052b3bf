#include "sfu/edge/rtctransport.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "core/id.h"
#include "core/log.h"
#include "sfu/edge/transport_private.h"

enum {
	DTLS_RECORD_HEADER_BYTES = 13,
	DTLS_VERSION_MAJOR = 254, /* 1.0, 1.2 and 1.3 alike (RFC 6347 section 4.1) */
	/* A peer whose media we heard lately is gone when it says nothing at all for this long. It
	 * may be on its way to another network: clients notice after some 5 s (RFC 7675) and
	 * restart ICE there, by signalling or by PATCH. */
	SILENCE_ACTIVE_US = 10000000,
	/* One that sends no media has only its reports and consent checks to be heard by: GStreamer
	 * reports every 7.5 s at the slowest, Firefox checks every 6. */
	SILENCE_IDLE_US = 15000000,
	MEDIA_RECENTLY_US = 10000000,
	/* Browsers check their consent every 5 s at the latest (RFC 7675: 4 to 6). */
	UNPROVEN_MAX_US = 7000000,
	MOVED_US = 100000 /* so long silent, and sending elsewhere: many packets' time */
};

G_DEFINE_TYPE(RtcTransport, rtc_transport, GST_TYPE_ELEMENT)

static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE(
	"src_%s", GST_PAD_SRC, GST_PAD_SOMETIMES, GST_STATIC_CAPS("application/x-rtp"));
static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE(
	"sink_%s", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS("application/x-rtp"));

/* ---- state ---- */

const char *transport_state_name(enum transport_state state)
{
	static const char *const names[] = {"new", "checked", "connected", "ended"};

	return names[state];
}

static void set_state(RtcTransport *transport, enum transport_state state)
{
	LOG(LOG_DEBUG, LOG_WEBRTC, "transport_state", LOG_TEXT("room", transport->config.room_id),
	    LOG_TEXT("peer", transport->config.peer_id),
	    LOG_TEXT("from", transport_state_name(transport->state)),
	    LOG_TEXT("to", transport_state_name(state)));
	transport->state = state;
}

void transport_end(RtcTransport *transport, const struct error *error)
{
	if (transport->state == TRANSPORT_ENDED)
		return;
	set_state(transport, TRANSPORT_ENDED);
	transport->config.events->ended(transport->config.events_data, error);
}

enum transport_state rtc_transport_state(const RtcTransport *transport)
{
	return transport->state;
}

const struct net_path *rtc_transport_path(const RtcTransport *transport)
{
	return transport->selected < 0 ? NULL : &transport->paths[transport->selected].path;
}

void rtc_transport_set_fingerprint(RtcTransport *transport, const uint8_t fingerprint_sha256[32])
{
	memcpy(transport->fingerprint_sha256, fingerprint_sha256,
	       sizeof(transport->fingerprint_sha256));
	transport->has_fingerprint = true;
}

/* ---- ICE ---- */

struct egress_target *transport_target(RtcTransport *transport)
{
	return transport->selected < 0 ? NULL : &transport->paths[transport->selected].target;
}

static struct checked_path *path_find(RtcTransport *transport, const struct net_path *path)
{
	for (size_t i = 0; i < transport->path_count; i++)
		if (net_path_is_equal(&transport->paths[i].path, path))
			return &transport->paths[i];
	return NULL;
}

static struct checked_path *path_oldest(RtcTransport *transport)
{
	struct checked_path *oldest = NULL;

	for (size_t i = 0; i < transport->path_count; i++)
		if ((int)i != transport->selected &&
		    (!oldest || transport->paths[i].last_us < oldest->last_us))
			oldest = &transport->paths[i];
	return oldest;
}

/* Remember a path that passed a check; the one unheard of for longest makes room. */
static struct checked_path *path_add(RtcTransport *transport, const struct net_path *path)
{
	struct checked_path *checked;

	if (transport->path_count < TRANSPORT_PATHS_MAX) {
		checked = &transport->paths[transport->path_count++];
	} else {
		egress_flush(transport->port->egress); /* it may hold packets for this place */
		checked = path_oldest(transport);
		media_port_remove_path(transport->port, &checked->path, transport);
	}
	*checked = (struct checked_path){.path = *path};
	egress_target_set(&checked->target, path);
	media_port_add_path(transport->port, &checked->path, transport);
	return checked;
}

static void path_select(RtcTransport *transport, const struct checked_path *checked)
{
	char text[64];

	transport->selected = (int)(checked - transport->paths);
	LOG(LOG_DEBUG, LOG_WEBRTC, "path_selected", LOG_TEXT("room", transport->config.room_id),
	    LOG_TEXT("peer", transport->config.peer_id),
	    LOG_TEXT("remote", net_path_text(&checked->path, text, sizeof(text))));
}

/* Which path to use (RFC 8445 section 8). Firefox nominates every path it checks, so nomination
 * alone would make us flap: stay with the better one while it lives. */
static void consider_path(RtcTransport *transport, const struct checked_path *checked,
			  bool is_nominated)
{
	const struct checked_path *current;

	if (transport->selected < 0) {
		path_select(transport, checked);
		return;
	}
	current = &transport->paths[transport->selected];
	if (checked == current || !is_nominated)
		return;
	if (checked->generation != current->generation) {
		if (checked->generation >
		    current->generation) /* after a restart the new one counts */
			path_select(transport, checked);
		return;
	}
	if (checked->priority > current->priority ||
	    transport->port->now_us - current->last_us > 1000000)
		path_select(transport, checked);
}

void transport_adopt_path(RtcTransport *transport, const struct net_path *path)
{
	struct checked_path *checked = path_find(transport, path);

	if (checked) /* another had taken it over, and is gone */
		media_port_add_path(transport->port, &checked->path, transport);
	else
		checked = path_add(transport, path);
	checked->last_us = checked->unproven_since_us = transport->port->now_us;
	path_select(transport, checked);
	LOG(LOG_INFO, LOG_WEBRTC, "path_rebound", LOG_TEXT("room", transport->config.room_id),
	    LOG_TEXT("peer", transport->config.peer_id));
}

/* The peer must confirm by a check of its own that it is where its media came from: the address
 * could be another's, written on a packet that was caught on its way. */
static void check_unproven(RtcTransport *transport)
{
	const struct checked_path *selected, *best = NULL;

	if (transport->selected < 0)
		return;
	selected = &transport->paths[transport->selected];
	if (!selected->unproven_since_us ||
	    transport->port->now_us - selected->unproven_since_us < UNPROVEN_MAX_US)
		return;
	for (size_t i = 0; i < transport->path_count; i++) {
		const struct checked_path *path = &transport->paths[i];

		if (!path->unproven_since_us && (!best || path->last_us > best->last_us))
			best = path;
	}
	if (best)
		path_select(transport, best);
}

/* Whose ufrag this is: of the present credentials, or of those before. */
static unsigned generation_of(const RtcTransport *transport, struct slice ufrag)
{
	const char *present = transport->credentials[transport->generation % 2].ufrag;
	bool is_present =
		strlen(present) == ufrag.length && memcmp(present, ufrag.data, ufrag.length) == 0;

	return is_present || transport->generation == 0 ? transport->generation
							: transport->generation - 1;
}

static void on_stun(RtcTransport *transport, const struct datagram *datagram)
{
	struct media_port *port = transport->port;
	unsigned generation =
		generation_of(transport, stun_local_ufrag_peek(datagram->packet->bytes,
							       datagram->packet->length));
	const struct ice_credentials *credentials = &transport->credentials[generation % 2];
	struct sockaddr_storage source;
	socklen_t source_bytes = net_path_remote(&datagram->path, &source);
	struct checked_path *checked;
	struct stun_binding binding;
	enum stun_verdict verdict = stun_binding_answer(
		port->stun, datagram->packet->bytes, datagram->packet->length, credentials->ufrag,
		credentials->password, (const struct sockaddr *)&source, source_bytes, &binding);

	if (verdict == STUN_DROPPED) {
		port->counters.dropped_forged++;
		return;
	}
	checked = path_find(transport, &datagram->path);
	if (!checked)
		checked = path_add(transport, &datagram->path);
	memcpy(egress_reserve(port->egress), binding.response, binding.response_bytes);
	egress_commit(port->egress, &checked->target, binding.response_bytes);
	if (verdict != STUN_ACCEPTED)
		return;
	if (media_port_find_path(port, &checked->path) != transport)
		media_port_add_path(port, &checked->path, transport); /* back from another */
	transport->last_heard_us = checked->last_us = port->now_us;
	checked->priority = binding.priority;
	checked->unproven_since_us = 0;
	checked->generation = generation;
	consider_path(transport, checked, binding.use_candidate);
	if (transport->state == TRANSPORT_NEW)
		set_state(transport, TRANSPORT_CHECKED);
}

void rtc_transport_restart_ice(RtcTransport *transport, const char *ice_ufrag,
			       const char *ice_password)
{
	struct ice_credentials *credentials;

	credentials = &transport->credentials[++transport->generation % 2];
	if (*credentials->ufrag)
		media_port_remove_ufrag(transport->port, credentials->ufrag);
	(void)snprintf(credentials->ufrag, sizeof(credentials->ufrag), "%s", ice_ufrag);
	(void)snprintf(credentials->password, sizeof(credentials->password), "%s", ice_password);
	media_port_add_ufrag(transport->port, credentials->ufrag, transport);
}

/* ---- DTLS ---- */

static void send_dtls(void *data, const uint8_t *datagram, size_t length)
{
	RtcTransport *transport = data;
	struct egress_target *target = transport_target(transport);

	if (!target || length > EGRESS_PACKET_MAX)
		return; /* the handshake's timer repeats it */
	memcpy(egress_reserve(transport->port->egress), datagram, length);
	egress_commit(transport->port->egress, target, length);
}

static void fail_handshake(RtcTransport *transport, const struct error *error)
{
	tally_add(&transport->port->counters.failed_handshakes, error->code);
	transport_end(transport, error);
}

static void on_dtls_connected(RtcTransport *transport)
{
	struct error error = {0};

	if (dtls_link_media_crypto(transport->dtls, &transport->crypto_in, &transport->crypto_out,
				   &error) < 0) {
		fail_handshake(transport, &error);
		return;
	}
	/* From here on only what authenticates is heard: a check, or what the keys open. Anybody
	 * can write a datagram that looks like DTLS, in the peer's name. */
	transport->last_heard_us = transport->port->now_us;
	set_state(transport, TRANSPORT_CONNECTED);
	transport->config.events->connected(transport->config.events_data);
}

static void on_dtls(RtcTransport *transport, const struct packet *packet)
{
	struct error error = {0};
	enum dtls_state before;
	int r = 0;

	if (packet->length < DTLS_RECORD_HEADER_BYTES || packet->bytes[1] != DTLS_VERSION_MAJOR) {
		transport->port->counters.dropped_malformed++;
		return;
	}
	if (!transport->has_fingerprint)
		return; /* the answer is still on its way; the client repeats its hello */
	if (!transport->dtls &&
	    dtls_link_new(transport->config.dtls, DTLS_SERVER, send_dtls, transport,
			  transport->port->now_us, &transport->dtls) < 0)
		return;
	before = dtls_link_state(transport->dtls);
	r = dtls_link_receive(transport->dtls, packet->bytes, packet->length,
			      transport->fingerprint_sha256, &error);
	if (r < 0 && before == DTLS_HANDSHAKING)
		fail_handshake(transport, &error);
	else if (r < 0)
		transport_end(transport, &error);
	else if (before == DTLS_HANDSHAKING && dtls_link_state(transport->dtls) == DTLS_CONNECTED)
		on_dtls_connected(transport);
	else if (before == DTLS_CONNECTED && dtls_link_state(transport->dtls) == DTLS_CLOSED) {
		(void)error_set(&error, -ECONNRESET, "closed_by_peer",
				"the peer closed its connection");
		transport_end(transport, &error);
	}
}

void rtc_transport_explain(const RtcTransport *transport, unsigned seconds, struct error *ret_error)
{
	static const char code[] = "never_connected";
	const struct media_port *port = transport->port;
	const char *reason = transport->dtls ? dtls_link_last_reason(transport->dtls) : NULL;

	if (transport->state == TRANSPORT_NEW)
		(void)error_set(ret_error, -ETIMEDOUT, code,
				"nothing of yours has reached port %u of the media server within "
				"%u s: a firewall seems to be in the way; try another network, or "
				"have a TURN server set up (WEBRTC_TURN_URLS)",
				port->candidate_count ? port->candidates[0].port : 0, seconds);
	else if (transport->dtls && dtls_link_has_begun(transport->dtls))
		(void)error_set(ret_error, -ETIMEDOUT, code,
				"your connectivity checks arrive, but the DTLS handshake stopped "
				"half-way and was not done within %u s: a firewall or VPN may lose "
				"larger packets; try another network",
				seconds);
	else if (reason)
		(void)error_set(ret_error, -ETIMEDOUT, code,
				"your connectivity checks arrive, but no DTLS hello that can be "
				"used came within %u s: %s",
				seconds, reason);
	else
		(void)error_set(ret_error, -ETIMEDOUT, code,
				"your connectivity checks arrive, but no DTLS hello came within "
				"%u s: a firewall may let nothing else through; try another "
				"network, or a TURN server (WEBRTC_TURN_URLS)",
				seconds);
}

/* ---- datagrams ---- */

/* Media comes by another path that checks have opened, and nothing by the one in use: the peer has
 * moved, and its first packet from there was a check. It could not be told apart from one of a path
 * that is merely tried, and the next is seconds away; meanwhile our feedback would go nowhere. */
static void follow(RtcTransport *transport, const struct checked_path *selected,
		   const struct net_path *path)
{
	struct checked_path *checked = path_find(transport, path);

	if (!checked || checked->unproven_since_us || checked->generation < selected->generation)
		return;
	checked->last_us = transport->port->now_us;
	path_select(transport, checked);
}

/* The path in use lives by what authenticates on it as well: checks are seconds apart. Once in a
 * turn is enough. */
static void note_alive(RtcTransport *transport, const struct net_path *path)
{
	uint64_t now_us = transport->port->now_us;
	struct checked_path *selected;

	if (transport->selected < 0)
		return;
	selected = &transport->paths[transport->selected];
	if (selected->last_us == now_us)
		return;
	if (net_path_is_equal(&selected->path, path))
		selected->last_us = now_us;
	else if (now_us - selected->last_us >= MOVED_US)
		follow(transport, selected, path);
}

void transport_dispatch(struct media_port *port, struct datagram *datagram)
{
	struct packet *packet = datagram->packet;
	enum packet_kind kind = packet_kind_of(packet->bytes, packet->length);
	RtcTransport *transport;

	if (kind == PACKET_UNKNOWN) {
		port->counters.dropped_malformed++;
		return;
	}
	if (kind == PACKET_STUN) {
		transport = media_port_find_ufrag(
			port, stun_local_ufrag_peek(packet->bytes, packet->length));
		if (transport)
			on_stun(transport, datagram);
		else
			port->counters.dropped_unknown++;
		return;
	}
	transport = media_port_find_path(port, &datagram->path);
	if (!transport && transport_take_rebound(port, datagram, kind))
		return;
	if (!transport || transport->state == TRANSPORT_ENDED) {
		port->counters.dropped_unknown++;
		return;
	}
	switch (kind) {
	case PACKET_DTLS:
		on_dtls(transport, packet);
		break;
	case PACKET_RTP:
		if (transport_on_rtp(transport, datagram))
			note_alive(transport, &datagram->path);
		break;
	case PACKET_RTCP:
		if (transport_on_rtcp(transport, packet))
			note_alive(transport, &datagram->path);
		break;
	case PACKET_STUN:
	case PACKET_UNKNOWN:
		break; /* handled above */
	}
}

/* ---- time ---- */

static void check_silence(RtcTransport *transport)
{
	uint64_t now_us = transport->port->now_us;
	/* As it was when it fell silent, however long ago that is. */
	bool is_active = transport->last_rtp_us &&
			 transport->last_heard_us - transport->last_rtp_us < MEDIA_RECENTLY_US;
	uint64_t limit_us = is_active ? SILENCE_ACTIVE_US : SILENCE_IDLE_US;
	struct error error;

	if (transport->state != TRANSPORT_CONNECTED || now_us - transport->last_heard_us < limit_us)
		return;
	(void)error_set(&error, -ETIMEDOUT, "timeout", "nothing was heard for %llu ms",
			(unsigned long long)(limit_us / 1000));
	transport_end(transport, &error);
}

void rtc_transport_tick(RtcTransport *transport)
{
	struct error error = {0};

	if (transport->state == TRANSPORT_ENDED)
		return;
	if (transport->dtls &&
	    dtls_link_tick(transport->dtls, transport->port->now_us, &error) < 0) {
		fail_handshake(transport, &error);
		return;
	}
	if (transport->state == TRANSPORT_CONNECTED) {
		transport_bandwidth_tick(transport);
		transport_rtcp_tick(transport);
		transport_meter_tick(transport);
	}
	check_unproven(transport);
	check_silence(transport);
}

bool rtc_transport_is_calm(const RtcTransport *transport)
{
	return transport->state == TRANSPORT_CONNECTED && !transport->held;
}

/* ---- life ---- */

void rtc_transport_stop(RtcTransport *transport)
{
	if (!transport->port)
		return;
	if (transport->dtls)
		dtls_link_close(transport->dtls);
	while (!list_is_empty(&transport->send_streams))
		send_stream_free(LIST_ITEM(list_first(&transport->send_streams),
					   struct send_stream_out, link));
	while (!list_is_empty(&transport->receive_streams))
		receive_stream_free(LIST_ITEM(list_first(&transport->receive_streams),
					      struct receive_stream, link));
	egress_flush(transport->port->egress); /* it points at our paths */
	for (size_t i = 0; i < ARRAY_LEN(transport->credentials); i++) {
		struct ice_credentials *credentials = &transport->credentials[i];

		if (*credentials->ufrag)
			media_port_remove_ufrag(transport->port, credentials->ufrag);
		explicit_bzero(credentials, sizeof(*credentials));
	}
	for (size_t i = 0; i < transport->path_count; i++)
		media_port_remove_path(transport->port, &transport->paths[i].path, transport);
	transport->path_count = 0;
	transport->selected = -1;
	transport->state = TRANSPORT_ENDED;
	media_counters_add(&transport->port->counters.ended, &transport->counters);
	transport->port = NULL;
}

static void rtc_transport_finalize(GObject *object)
{
	RtcTransport *transport = (RtcTransport *)object;

	rtc_transport_stop(transport);
	transport->dtls = dtls_link_free(transport->dtls);
	free(transport->arrivals);
	transport->history = send_history_free(transport->history);
	transport->crypto_in = media_crypto_free(transport->crypto_in);
	transport->crypto_out = media_crypto_free(transport->crypto_out);
	G_OBJECT_CLASS(rtc_transport_parent_class)->finalize(object);
}

static void rtc_transport_class_init(RtcTransportClass *class)
{
	G_OBJECT_CLASS(class)->finalize = rtc_transport_finalize;
	gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &src_template);
	gst_element_class_add_static_pad_template(GST_ELEMENT_CLASS(class), &sink_template);
	gst_element_class_set_static_metadata(
		GST_ELEMENT_CLASS(class), "WebRTC transport", "Source/Sink/Network",
		"ICE-lite, DTLS-SRTP and RTCP of one participant", "realtime");
}

static void rtc_transport_init(RtcTransport *transport)
{
	list_init(&transport->receive_streams);
	list_init(&transport->send_streams);
	transport->selected = -1;
}

RtcTransport *rtc_transport_new(const struct transport_config *config)
{
	RtcTransport *transport = g_object_new(RTC_TYPE_TRANSPORT, "name", config->name, NULL);

	transport->config = *config;
	transport->port = config->port;
	transport->last_heard_us = config->port->now_us;
	transport_bandwidth_init(transport);
	random_bytes(&transport->local_ssrc, sizeof(transport->local_ssrc));
	transport->config.ice_ufrag = transport->config.ice_password = NULL; /* not ours to keep */
	transport->generation = UINT_MAX;
	rtc_transport_restart_ice(transport, config->ice_ufrag, config->ice_password);
	return transport;
}
