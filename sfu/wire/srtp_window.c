#include "sfu/wire/srtp_window.h"

#include <errno.h>
#include <string.h>

static uint64_t *word_of(struct srtp_window *window, uint64_t index)
{
	return &window->bits[index / 64 % ARRAY_LEN(window->bits)];
}

uint64_t srtp_window_estimate(const struct srtp_window *window, uint16_t sequence_number)
{
	uint64_t rollovers = window->highest >> 16;
	uint16_t highest = (uint16_t)window->highest;

	if (!window->started)
		return sequence_number;
	if (highest < 0x8000) {
		if (sequence_number > highest + 0x8000 && rollovers > 0)
			rollovers--;
	} else if (highest - 0x8000 > sequence_number) {
		rollovers++;
	}
	return rollovers << 16 | sequence_number;
}

int srtp_window_check(const struct srtp_window *window, uint64_t index)
{
	uint64_t word = window->bits[index / 64 % ARRAY_LEN(window->bits)];

	if (!window->started || index > window->highest)
		return 0;
	if (window->highest - index >= SRTP_REPLAY_WINDOW)
		return -ESTALE;
	return word >> index % 64 & 1 ? -EALREADY : 0;
}

void srtp_window_accept(struct srtp_window *window, uint64_t index)
{
	if (!window->started) {
		window->started = true;
		window->highest = index;
	} else if (index > window->highest) {
		/* The bits ahead still speak of indices one window back. */
		if (index - window->highest >= SRTP_REPLAY_WINDOW) {
			memset(window->bits, 0, sizeof(window->bits));
		} else {
			for (uint64_t i = window->highest + 1; i < index; i++)
				*word_of(window, i) &= ~(UINT64_C(1) << i % 64);
		}
		window->highest = index;
	}
	*word_of(window, index) |= UINT64_C(1) << index % 64;
}
