/* public_address.h - is an address one of the public internet's? What is asked for by strangers
 * must not reach this host, its network or the cloud's metadata service. Pure. Thread: any. */
#ifndef CORE_PUBLIC_ADDRESS_H
#define CORE_PUBLIC_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Globally reachable unicast (the IANA special-purpose registries, RFC 6890); an IPv4 address
 * within an IPv6 one (mapped, NAT64) counts as that IPv4 address. Other families are not. */
bool address_is_public(const struct sockaddr *address);

#endif
