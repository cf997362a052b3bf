#include "sfu/model/layer_pulse.h"

enum {
	CLOCK_KHZ = 90, /* of every video format */
	/* The last of the missed pictures need only be about due. */
	ALMOST_HUNDREDTHS = 25
};

static uint64_t smooth(uint64_t known, uint64_t value)
{
	return known ? (3 * known + value) / 4 : value;
}

static void begin_picture(struct layer_pulse *pulse, uint32_t rtp_timestamp, uint64_t now_us)
{
	uint64_t interval_us =
		(uint32_t)(rtp_timestamp - pulse->rtp_timestamp) * 1000ull / CLOCK_KHZ;

	/* A pause is not its rhythm. */
	if (pulse->has_picture && interval_us <= LAYER_PULSE_MOST_US) {
		pulse->interval_us = smooth(pulse->interval_us, interval_us);
		pulse->packets_hundredths =
			(unsigned)smooth(pulse->packets_hundredths, pulse->packet_count * 100ull);
	}
	pulse->has_picture = true;
	pulse->rtp_timestamp = rtp_timestamp;
	pulse->packet_count = 0;
	pulse->began_us[pulse->next] = now_us;
	pulse->next = (pulse->next + 1) % LAYER_PULSE_PICTURES;
}

/* How long it may say nothing. */
static uint64_t patience_us(const struct layer_pulse *pulse)
{
	unsigned pictures_hundredths = 100 * LAYER_PULSE_PICTURES;
	uint64_t patience;

	if (!pulse->interval_us)
		return LAYER_PULSE_UNKNOWN_US;
	if (pulse->packets_hundredths > 0 &&
	    pulse->packets_hundredths * LAYER_PULSE_PICTURES < 100 * LAYER_PULSE_PACKETS)
		pictures_hundredths = 10000 * LAYER_PULSE_PACKETS / pulse->packets_hundredths;
	pictures_hundredths += 100 * pulse->pictures_more;
	patience = pulse->interval_us * (pictures_hundredths - ALMOST_HUNDREDTHS) / 100;
	return patience < LAYER_PULSE_MOST_US ? patience : LAYER_PULSE_MOST_US;
}

void layer_pulse_on_return(struct layer_pulse *pulse, uint64_t now_us)
{
	if (pulse->has_picture && now_us - pulse->last_packet_us < LAYER_PULSE_AT_ONCE_US &&
	    pulse->pictures_more < LAYER_PULSE_PICTURES_MORE)
		pulse->pictures_more++;
}

void layer_pulse_on_packet(struct layer_pulse *pulse, uint32_t rtp_timestamp, uint64_t now_us)
{
	uint32_t before = pulse->rtp_timestamp - rtp_timestamp;

	pulse->last_packet_us = now_us;
	/* A late packet is of a picture shortly before; any other time is a new one's. */
	if (!pulse->has_picture || before > CLOCK_KHZ * 1000)
		begin_picture(pulse, rtp_timestamp, now_us);
	pulse->packet_count += rtp_timestamp == pulse->rtp_timestamp;
}

bool layer_pulse_is_gone(const struct layer_pulse *pulse, const struct layer_pulse *other)
{
	return other->began_us[other->next] > pulse->last_packet_us &&
	       other->last_packet_us - pulse->last_packet_us >= patience_us(pulse);
}
