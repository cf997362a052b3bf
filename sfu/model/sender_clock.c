#include "sfu/model/sender_clock.h"

void sender_clock_on_report(struct sender_clock *clock, ntp_time sent_ntp, ntp_time arrival_ntp)
{
	int64_t offset = (int64_t)(arrival_ntp - sent_ntp);

	/* The report that travelled fastest tells the clocks' distance best. A clock that was set
	 * anew shows as a distance seconds off, and is followed. */
	if (!clock->has_offset || offset < clock->offset_ntp ||
	    (uint64_t)offset - (uint64_t)clock->offset_ntp > (uint64_t)5 << 32) {
		clock->has_offset = true;
		clock->offset_ntp = offset;
	}
}

uint32_t sender_clock_rtp_time(const struct sender_clock *clock,
			       const struct rtcp_sender_info *last_report, uint32_t clock_rate_hz,
			       ntp_time now_ntp)
{
	int64_t elapsed_ntp = (int64_t)(now_ntp - (uint64_t)clock->offset_ntp - last_report->ntp);
	__extension__ __int128 ticks = (__extension__(__int128) elapsed_ntp * clock_rate_hz) >> 32;

	return last_report->rtp_timestamp + (uint32_t)(int64_t)ticks;
}
