#include "sfu/model/round_trip.h"

void round_trip_on_sample(struct round_trip *round_trip, uint64_t sample_us)
{
	uint64_t known_us = round_trip->smoothed_us;

	if (sample_us > ROUND_TRIP_MOST_US)
		return;
	if (!round_trip->is_known) {
		*round_trip = (struct round_trip){sample_us, sample_us / 2, true};
		return;
	}
	round_trip->deviation_us =
		(3 * round_trip->deviation_us +
		 (sample_us > known_us ? sample_us - known_us : known_us - sample_us)) /
		4;
	round_trip->smoothed_us = (7 * known_us + sample_us) / 8;
}
