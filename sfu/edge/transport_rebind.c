/* transport_rebind.c - media goes on when a NAT gives a participant another port.
 *
 * Its packets then come from a path that no connectivity check has opened, and the next check may
 * be seconds away. They still authenticate: whose keys open them, theirs is the path. Only
 * transports of the same address are tried, and not many in a while, so that a flood of forged
 * packets costs little.
 */
#include "sfu/edge/transport_private.h"

/* Silent for a moment, as one whose packets come from elsewhere now must be. */
enum { SILENT_US = 15000 };

static bool may_be(const RtcTransport *transport, const struct datagram *datagram)
{
	const struct net_path *path = rtc_transport_path(transport);

	return transport->state == TRANSPORT_CONNECTED && transport->crypto_in && path &&
	       memcmp(&path->remote, &datagram->path.remote, sizeof(path->remote)) == 0 &&
	       transport->port->now_us - transport->last_heard_us >= SILENT_US;
}

/* Open it with this transport's keys, in a copy: what fails is damaged. */
static bool open_with(RtcTransport *transport, const struct packet *packet, enum packet_kind kind,
		      uint8_t plain[PACKET_BYTES_MAX], size_t *ret_length)
{
	memcpy(plain, packet->bytes, packet->length);
	*ret_length = packet->length;
	return (kind == PACKET_RTP
			? media_crypto_unprotect_rtp(transport->crypto_in, plain, ret_length)
			: media_crypto_unprotect_rtcp(transport->crypto_in, plain, ret_length)) ==
	       0;
}

bool transport_take_rebound(struct media_port *port, struct datagram *datagram,
			    enum packet_kind kind)
{
	uint8_t plain[PACKET_BYTES_MAX];
	GHashTableIter iterator;
	gpointer owner;
	size_t length;

	if (kind != PACKET_RTP && kind != PACKET_RTCP)
		return false;
	/* A stranger's packet costs one as well: all transports are looked through for it. */
	if (port->rebind_tries > 0)
		port->rebind_tries--;
	g_hash_table_iter_init(&iterator, port->by_ufrag);
	while (port->rebind_tries > 0 && g_hash_table_iter_next(&iterator, NULL, &owner)) {
		RtcTransport *transport = owner;

		if (!may_be(transport, datagram))
			continue;
		port->rebind_tries--;
		if (!open_with(transport, datagram->packet, kind, plain, &length))
			continue;
		transport_adopt_path(transport, &datagram->path);
		memcpy(datagram->packet->bytes, plain, length);
		if (kind == PACKET_RTP)
			transport_on_plain_rtp(transport, datagram, length);
		else
			transport_on_plain_rtcp(transport, plain, length);
		return true;
	}
	return false;
}
