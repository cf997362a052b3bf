#include "sfu/wire/stun.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

enum {
	HEADER_BYTES = 20,
	BINDING_REQUEST = 0x0001, /* the type field: class and method */
	MAGIC_COOKIE = 0x2112a442,
	MESSAGE_INTEGRITY_BYTES = 20,
	FINGERPRINT_BYTES = 4
};

/* What a Binding request of ICE may bring that we must understand (RFC 8489 section 14). Any other
 * type below 0x8000 is answered with 420. */
static const uint16_t known_attributes[] = {
	STUN_ATTRIBUTE_USERNAME,
	STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
	STUN_ATTRIBUTE_PRIORITY,
	STUN_ATTRIBUTE_USE_CANDIDATE,
	0,
};

struct stun_server {
	StunAgent agent;
};

int stun_server_new(struct stun_server **ret_server)
{
	struct stun_server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	stun_agent_init(&server->agent, known_attributes, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	*ret_server = server;
	return 0;
}

struct stun_server *stun_server_free(struct stun_server *server)
{
	free(server);
	return NULL;
}

/* Whether the datagram is one whole Binding request whose attributes fit, with a USERNAME and,
 * closing it, MESSAGE-INTEGRITY and FINGERPRINT. The agent reads those three at their due length
 * without looking, and would take a request without FINGERPRINT for one to answer with an error. */
static bool is_authenticable_request(const uint8_t *datagram, size_t length,
				     struct slice *ret_username)
{
	struct reader reader = reader_over(datagram, length);
	struct slice username = {NULL, 0};
	bool has_integrity = false, has_fingerprint = false;

	if (length < HEADER_BYTES || length % 4 != 0 || read_u16(&reader) != BINDING_REQUEST ||
	    read_u16(&reader) != length - HEADER_BYTES || read_u32(&reader) != MAGIC_COOKIE)
		return false;
	(void)read_bytes(&reader, 12); /* transaction id */

	while (reader_left(&reader) > 0) {
		uint16_t type = read_u16(&reader);
		size_t value_bytes = read_u16(&reader);
		const uint8_t *value = read_bytes(&reader, value_bytes);

		(void)read_bytes(&reader, -value_bytes % 4); /* padding */
		/* Nothing follows FINGERPRINT; only that follows MESSAGE-INTEGRITY. */
		if (reader.failed || has_fingerprint ||
		    (has_integrity && type != STUN_ATTRIBUTE_FINGERPRINT))
			return false;
		if (type == STUN_ATTRIBUTE_USERNAME) {
			if (username.data)
				return false;
			username = (struct slice){value, value_bytes};
		} else if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY) {
			has_integrity = true;
			if (value_bytes != MESSAGE_INTEGRITY_BYTES)
				return false;
		} else if (type == STUN_ATTRIBUTE_FINGERPRINT) {
			has_fingerprint = true;
			if (value_bytes != FINGERPRINT_BYTES)
				return false;
		}
	}
	if (reader.failed || !username.data || !has_integrity || !has_fingerprint)
		return false;
	*ret_username = username;
	return true;
}

/* "LOCAL:REMOTE" (RFC 8445 section 7.2.2), seen from the receiver of the check. */
static struct slice local_part(struct slice username)
{
	const uint8_t *colon = memchr(username.data, ':', username.length);

	if (!colon)
		return (struct slice){NULL, 0};
	return (struct slice){username.data, (size_t)(colon - username.data)};
}

struct slice stun_local_ufrag_peek(const uint8_t *datagram, size_t length)
{
	struct slice username;

	if (!is_authenticable_request(datagram, length, &username))
		return (struct slice){NULL, 0};
	return local_part(username);
}

static bool slice_is(struct slice slice, const char *text)
{
	return slice.data && slice.length == strlen(text) &&
	       memcmp(slice.data, text, slice.length) == 0;
}

/* StunMessageIntegrityValidate: whose USERNAME it is has been looked at already. */
static bool give_password(StunAgent *agent, StunMessage *message, uint8_t *username,
			  uint16_t username_bytes, uint8_t **ret_password,
			  size_t *ret_password_bytes, void *user_data)
{
	struct slice *password = user_data;

	(void)agent;
	(void)message;
	(void)username;
	(void)username_bytes;
	/* The agent's type is not const, but it only reads the key. */
	memcpy(ret_password, &password->data, sizeof(*ret_password));
	*ret_password_bytes = password->length;
	return true;
}

/* The address the peer has in its own eyes: to a dual-stack socket of ours an IPv4 peer looks like
 * an IPv6 one. Returns its length, 0 if the family is neither or does not fit. */
static socklen_t peer_address(const struct sockaddr *source, socklen_t source_bytes,
			      struct sockaddr_storage *ret_address)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr_in6 ipv6;

	*ret_address = (struct sockaddr_storage){0};
	if (source->sa_family == AF_INET && source_bytes >= sizeof(ipv4)) {
		memcpy(ret_address, source, sizeof(ipv4));
		return sizeof(ipv4);
	}
	if (source->sa_family != AF_INET6 || source_bytes < sizeof(ipv6))
		return 0;
	memcpy(&ipv6, source, sizeof(ipv6));
	if (!IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
		memcpy(ret_address, &ipv6, sizeof(ipv6));
		return sizeof(ipv6);
	}
	ipv4.sin_port = ipv6.sin6_port;
	memcpy(&ipv4.sin_addr, &ipv6.sin6_addr.s6_addr[12], sizeof(ipv4.sin_addr));
	memcpy(ret_address, &ipv4, sizeof(ipv4));
	return sizeof(ipv4);
}

/* Compose the answer to an authenticated request; its bytes, 0 if it does not fit. */
static size_t compose_reply(StunAgent *agent, StunMessage *request,
			    const struct sockaddr_storage *peer, socklen_t peer_bytes,
			    StunMessage *reply, uint8_t *buffer, size_t capacity)
{
	bool is_controlling = false;
	size_t length = capacity;

	/* An ICE-lite agent facing a full one is controlled, whatever the tie-breakers say (RFC
	 * 8445 section 6.1.1); the library would let a low one switch our role. */
	if (stun_message_has_attribute(request, STUN_ATTRIBUTE_ICE_CONTROLLED)) {
		if (!stun_agent_init_error(agent, reply, buffer, capacity, request,
					   STUN_ERROR_ROLE_CONFLICT))
			return 0;
		return stun_agent_finish_message(agent, reply, request->key, request->key_len);
	}
	if (stun_usage_ice_conncheck_create_reply(
		    agent, request, reply, buffer, &length, peer, peer_bytes, &is_controlling, 0,
		    STUN_USAGE_ICE_COMPATIBILITY_RFC5245) != STUN_USAGE_ICE_RETURN_SUCCESS)
		return 0;
	return length;
}

enum stun_verdict stun_binding_answer(struct stun_server *server, const uint8_t *datagram,
				      size_t length, const char *local_ufrag,
				      const char *local_password, const struct sockaddr *source,
				      socklen_t source_bytes, struct stun_binding *ret_binding)
{
	struct slice password = {(const uint8_t *)local_password, strlen(local_password)};
	struct sockaddr_storage peer;
	socklen_t peer_bytes = peer_address(source, source_bytes, &peer);
	StunMessage request, reply = {0};
	StunValidationStatus status;
	struct slice username;

	ret_binding->response_bytes = 0;
	/* An empty password would have the agent skip the check altogether. */
	if (peer_bytes == 0 || password.length == 0 ||
	    !is_authenticable_request(datagram, length, &username) ||
	    !slice_is(local_part(username), local_ufrag))
		return STUN_DROPPED;

	status = stun_agent_validate(&server->agent, &request, datagram, length, give_password,
				     &password);
	/* Both of these come after the integrity check; whatever else it may be, is not answered.
	 */
	if (status == STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE)
		ret_binding->response_bytes = stun_agent_build_unknown_attributes_error(
			&server->agent, &reply, ret_binding->response,
			sizeof(ret_binding->response), &request);
	else if (status == STUN_VALIDATION_SUCCESS)
		ret_binding->response_bytes =
			compose_reply(&server->agent, &request, &peer, peer_bytes, &reply,
				      ret_binding->response, sizeof(ret_binding->response));
	if (ret_binding->response_bytes == 0)
		return STUN_DROPPED;

	ret_binding->priority = stun_usage_ice_conncheck_priority(&request);
	ret_binding->use_candidate = stun_usage_ice_conncheck_use_candidate(&request);
	return stun_message_get_class(&reply) == STUN_RESPONSE ? STUN_ACCEPTED : STUN_REPLIED;
}
