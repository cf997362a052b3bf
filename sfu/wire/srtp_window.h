/* srtp_window.h - which packet indices of one stream have been seen (RFC 3711 section 3.3).
 *
 * An index is the sequence number with the rollover counter above it. The window knows the highest
 * index accepted and, as a bitmap, the SRTP_REPLAY_WINDOW ones up to it. It only believes what
 * srtp_window_accept() is told, so a forged packet cannot move it.
 * Thread: whoever owns the window.
 */
#ifndef SFU_WIRE_SRTP_WINDOW_H
#define SFU_WIRE_SRTP_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "sfu/wire/srtp.h"

/* A zeroed window is an empty one. */
struct srtp_window {
	uint64_t highest; /* meaningful once started */
	bool started;
	uint64_t bits[SRTP_REPLAY_WINDOW / 64]; /* bit index % SRTP_REPLAY_WINDOW */
};

/* The index nearest to the highest one with these low 16 bits (RFC 3711 appendix A). Before the
 * first packet, and where the nearest would lie before 0, the rollover counter is taken as 0. */
uint64_t srtp_window_estimate(const struct srtp_window *window, uint16_t sequence_number);

/* 0 if `index` is new, -EALREADY if it was accepted, -ESTALE if it lies before the window. */
int srtp_window_check(const struct srtp_window *window, uint64_t index) MUST_CHECK;

/* Remember `index`, for which srtp_window_check() said 0. */
void srtp_window_accept(struct srtp_window *window, uint64_t index);

#endif
