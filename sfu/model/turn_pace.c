#include "sfu/model/turn_pace.h"

#include "core/cleanup.h"

enum { WINDOW_US = 50000, LONG_AGO_US = 1000000 };

void turn_pace_on_turn(struct turn_pace *pace, uint64_t began_us, uint64_t ended_us)
{
	uint64_t passed_us = ended_us - pace->window_began_us;
	unsigned hundredths;

	pace->busy_us += ended_us - began_us;
	if (passed_us < WINDOW_US)
		return;
	hundredths = (unsigned)(10000 * pace->busy_us / passed_us);
	pace->load_hundredths =
		passed_us > LONG_AGO_US ? hundredths : (3 * pace->load_hundredths + hundredths) / 4;
	pace->window_began_us = ended_us;
	pace->busy_us = 0;
}

unsigned turn_pace_load_percent(const struct turn_pace *pace)
{
	return pace->load_hundredths / 100;
}

unsigned turn_pace_wait_us(const struct turn_pace *pace)
{
	static const struct {
		int load_percent, wait_us;
	} curve[] = {
		{TURN_IDLE_PERCENT, TURN_WAIT_FIRST_US},
		{TURN_CALL_PERCENT, TURN_WAIT_MAX_US},
		{TURN_BUSY_PERCENT, TURN_WAIT_BUSY_US},
		{TURN_FULL_PERCENT, TURN_WAIT_FULL_US},
	};
	int load = (int)turn_pace_load_percent(pace);

	if (load < TURN_IDLE_PERCENT)
		return 0;
	for (size_t i = 1; i < ARRAY_LEN(curve); i++) {
		int width = curve[i].load_percent - curve[i - 1].load_percent;
		int rise = curve[i].wait_us - curve[i - 1].wait_us;

		if (load <= curve[i].load_percent)
			return (unsigned)(curve[i - 1].wait_us +
					  rise * (load - curve[i - 1].load_percent) / width);
	}
	return TURN_WAIT_FULL_US;
}
