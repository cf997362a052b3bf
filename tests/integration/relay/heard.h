/* heard.h - what a peer hears by RTCP: the last of each kind. Thread: one. */
#ifndef TESTS_INTEGRATION_RELAY_HEARD_H
#define TESTS_INTEGRATION_RELAY_HEARD_H

#include "sfu/wire/rtcp.h"
#include "tests/bench/load_peer.h"

/* An SSRC of 0: nothing of that kind. */
struct heard {
	uint32_t nack_ssrc, pli_ssrc;
	uint16_t nack_sequence; /* the first */
	size_t nack_count;
	struct rtcp_sender_info report;
	uint32_t report_ssrc;
	struct rtcp_report_block block;
};

/* Listen until `is_enough`; the test fails if it is not in time. */
void heard_wait(struct heard *heard, struct load_peer *peer,
		bool (*is_enough)(const struct heard *));
bool heard_has_nack(const struct heard *heard);
bool heard_has_pli(const struct heard *heard);
bool heard_has_sender_report(const struct heard *heard);
bool heard_has_block(const struct heard *heard);
/* Read a packet of RTCP. */
void heard_take(struct heard *heard, const uint8_t *packet, size_t length);

/* What the peer gets until nothing came for `quiet_ms`. */
struct heard_counts {
	int rtx, plis;
};
struct heard_counts heard_count(struct load_peer *peer, int quiet_ms);

#endif
