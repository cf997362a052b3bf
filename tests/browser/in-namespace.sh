#!/bin/sh
# Run a command in a network namespace of its own: a loopback and one interface, 10.99.0.1, that goes
# nowhere. Media then has an address both browsers accept, and no packet reaches a real network.
# Without root it takes a user namespace.
set -eu
if [ "${RT_IN_NAMESPACE:-}" != 1 ]; then
	export RT_IN_NAMESPACE=1
	if [ "$(id -u)" = 0 ]; then
		exec unshare --net "$0" "$@"
	fi
	exec unshare --user --map-root-user --net "$0" "$@"
fi
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.99.0.1/24 dev v0
ip link set v0 up
ip link set v1 up
ip route add default via 10.99.0.254 dev v0 # Firefox gathers nothing without one
exec "$@"
