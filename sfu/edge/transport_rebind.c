/* transport_rebind.c - media goes on when a NAT gives a participant another port, or address.
 *
 * Its packets then come from a path that no connectivity check has opened, and the next check may
 * be seconds away. They still authenticate: whose keys open them, theirs is the path, until a check
 * has to confirm it. Those of the same address are tried first, and not many in a while, so that a
 * flood of forged packets costs little; each time from where the last packet left off, so that
 * everybody's turn comes.
 */
#include "sfu/edge/transport_private.h"

/* Silent for a moment, as one whose packets come from elsewhere now must be. */
enum { SILENT_US = 15000 };

static bool may_be(const RtcTransport *transport, const struct datagram *datagram,
		   bool is_same_address)
{
	const struct net_path *path = rtc_transport_path(transport);

	return transport->state == TRANSPORT_CONNECTED && transport->crypto_in && path &&
	       (memcmp(&path->remote, &datagram->path.remote, sizeof(path->remote)) == 0) ==
		       is_same_address &&
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

/* Whose keys open it, of those of the same address, or of the others; NULL: of none that was tried.
 * The first `*skipped` are not. */
static RtcTransport *find_owner(struct media_port *port, const struct datagram *datagram,
				enum packet_kind kind, bool is_same_address, size_t *skipped,
				uint8_t plain[PACKET_BYTES_MAX], size_t *ret_length)
{
	GHashTableIter iterator;
	gpointer owner;

	g_hash_table_iter_init(&iterator, port->by_ufrag);
	while (port->rebind_tries > 0 && g_hash_table_iter_next(&iterator, NULL, &owner)) {
		RtcTransport *transport = owner;

		if (!may_be(transport, datagram, is_same_address))
			continue;
		if (*skipped > 0) {
			(*skipped)--;
			continue;
		}
		port->rebind_tries--;
		port->rebind_tried++;
		if (open_with(transport, datagram->packet, kind, plain, ret_length))
			return transport;
	}
	return NULL;
}

bool transport_take_rebound(struct media_port *port, struct datagram *datagram,
			    enum packet_kind kind)
{
	uint8_t plain[PACKET_BYTES_MAX];
	size_t length, skipped = port->rebind_tried;
	RtcTransport *transport;

	if (kind != PACKET_RTP && kind != PACKET_RTCP)
		return false;
	/* A stranger's packet costs one as well: all transports are looked through for it. */
	if (port->rebind_tries > 0)
		port->rebind_tries--;
	transport = find_owner(port, datagram, kind, true, &skipped, plain, &length);
	if (!transport)
		transport = find_owner(port, datagram, kind, false, &skipped, plain, &length);
	if (transport || port->rebind_tries > 0) /* all were tried: the next begins anew */
		port->rebind_tried = 0;
	if (!transport)
		return false;
	transport_adopt_path(transport, &datagram->path);
	memcpy(datagram->packet->bytes, plain, length);
	if (kind == PACKET_RTP)
		transport_on_plain_rtp(transport, datagram, length);
	else
		transport_on_plain_rtcp(transport, plain, length);
	return true;
}
