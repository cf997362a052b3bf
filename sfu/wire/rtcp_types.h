/* rtcp_types.h - RTCP's numbers, and how every packet of it begins and ends.
 *
 * Private to the wire ring, shared by rtcp.c and rtcp_transport_feedback.c. Thread: any.
 */
#ifndef SFU_WIRE_RTCP_TYPES_H
#define SFU_WIRE_RTCP_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "core/cursor.h"

enum rtcp_type {
	RTCP_SENDER_REPORT = 200,
	RTCP_RECEIVER_REPORT = 201,
	RTCP_SOURCE_DESCRIPTION = 202,
	RTCP_BYE = 203,
	RTCP_TRANSPORT_FEEDBACK = 205,
	RTCP_PAYLOAD_FEEDBACK = 206
};

enum { /* feedback message types of the last two */
       RTPFB_NACK = 1,
       RTPFB_TRANSPORT_CC = 15,
       PSFB_PLI = 1,
       PSFB_FIR = 4,
       PSFB_APPLICATION = 15
};

/* Write the first four bytes; the result is for rtcp_packet_end(), which fills the last word up
 * with zeros and puts the length in. */
size_t rtcp_packet_begin(struct writer *writer, uint8_t count, enum rtcp_type type);
void rtcp_packet_end(struct writer *writer, size_t start);

#endif
