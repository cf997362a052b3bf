/* Transport-wide feedback, written and read (draft-holmer-rmcat-transport-wide-cc-extensions-01):
 * how each packet fared, packed into 16-bit status chunks, then a delta for each that arrived. */
#include <errno.h>

#include "sfu/wire/rtcp.h"
#include "sfu/wire/rtcp_types.h"

enum {
	TICK_US = 250,
	TICKS_PER_REFERENCE = 256, /* reference times are multiples of 64 ms */
	FIXED_BYTES = 20,	   /* up to and with the feedback packet count */
	CHUNK_BYTES = 2,
	CHUNK_SYMBOLS = 7, /* of two bits */
	RUN_MAX = 0x1fff,
	STATUS_COUNT_MAX = 0xffff
};

/* A packet's symbol is the size of its delta. */
enum status { STATUS_LOST = 0, STATUS_SMALL_DELTA = 1, STATUS_LARGE_DELTA = 2 };

/* Where we are among the arrivals, and the time that the next delta counts from. */
struct arrivals {
	const uint64_t *next_us, *end_us;
	uint64_t ticks;
};

static size_t arrivals_left(const struct arrivals *arrivals)
{
	return (size_t)(arrivals->end_us - arrivals->next_us);
}

/* Step over one packet. False, without a step, at the end or where the delta would not fit. */
static bool arrivals_next(struct arrivals *arrivals, enum status *ret_status, int16_t *ret_delta)
{
	uint64_t ticks;
	int64_t delta;

	if (arrivals_left(arrivals) == 0)
		return false;
	if (*arrivals->next_us == 0) {
		*ret_status = STATUS_LOST;
		*ret_delta = 0;
		arrivals->next_us++;
		return true;
	}
	ticks = *arrivals->next_us / TICK_US;
	delta = (int64_t)(ticks - arrivals->ticks);
	if (delta < INT16_MIN || delta > INT16_MAX)
		return false;
	*ret_status = delta >= 0 && delta <= UINT8_MAX ? STATUS_SMALL_DELTA : STATUS_LARGE_DELTA;
	*ret_delta = (int16_t)delta;
	arrivals->ticks = ticks;
	arrivals->next_us++;
	return true;
}

/* One status chunk: a run of equal symbols, or seven of any kind. */
struct chunk {
	uint16_t bits;
	size_t count;	    /* of packets covered */
	size_t delta_bytes; /* they need */
};

/* Step over the packets of the next chunk but at most `limit`, taking the longer of run and vector.
 * count is 0 where nothing more can be told. */
static struct chunk arrivals_next_chunk(struct arrivals *arrivals, size_t limit)
{
	struct arrivals ahead = *arrivals, after_vector = *arrivals;
	size_t run = 0, vector = 0, vector_delta_bytes = 0;
	enum status status, first = STATUS_LOST;
	uint16_t symbols = 0;
	int16_t delta;

	for (size_t i = 0; i < limit && i < RUN_MAX; i++) {
		struct arrivals before = ahead;

		if (!arrivals_next(&ahead, &status, &delta))
			break;
		if (i == 0)
			first = status;
		if (run == i && status == first)
			run++;
		if (i < CHUNK_SYMBOLS) {
			symbols |= (uint16_t)(status << (12 - 2 * i));
			vector_delta_bytes += (size_t)status;
			vector++;
			after_vector = ahead;
		} else if (run < i + 1) {
			ahead = before; /* the run ended just before */
			break;
		}
	}
	if (run > CHUNK_SYMBOLS) {
		*arrivals = ahead;
		return (struct chunk){(uint16_t)(first << 13 | run), run, run * (size_t)first};
	}
	*arrivals = after_vector;
	return (struct chunk){(uint16_t)(0xc000 | symbols), vector, vector_delta_bytes};
}

/* How many packets can be told of in `capacity` bytes, which is at least FIXED_BYTES. */
static size_t count_that_fits(struct arrivals arrivals, size_t capacity)
{
	size_t covered = 0, room = capacity - capacity % 4 - FIXED_BYTES;

	while (covered < STATUS_COUNT_MAX && room >= CHUNK_BYTES) {
		struct arrivals before = arrivals;
		struct chunk chunk = arrivals_next_chunk(&arrivals, STATUS_COUNT_MAX - covered);
		bool is_cut = false;

		room -= CHUNK_BYTES;
		/* What is left of a chunk whose end is cut off is one chunk as well. All deltas of
		 * a run are of one size; a vector is cut packet by packet. */
		while (chunk.delta_bytes > room) {
			size_t fitting = chunk.count - 1;

			if (chunk.count > CHUNK_SYMBOLS)
				fitting = room / (chunk.delta_bytes / chunk.count);
			arrivals = before;
			chunk = arrivals_next_chunk(&arrivals, fitting);
			is_cut = true;
		}
		covered += chunk.count;
		room -= chunk.delta_bytes;
		if (is_cut || chunk.count == 0)
			break;
	}
	return covered;
}

size_t rtcp_write_transport_feedback(struct writer *writer, uint32_t sender_ssrc,
				     uint32_t media_ssrc, uint16_t base_sequence,
				     const uint64_t *arrivals_us, size_t count,
				     uint8_t feedback_count)
{
	struct arrivals arrivals = {.next_us = arrivals_us, .end_us = arrivals_us + count};
	uint64_t reference;
	size_t start, covered, first = 0;
	enum status status;
	int16_t delta;

	while (first < count && arrivals_us[first] == 0)
		first++;
	if (first == count || writer->failed || writer->capacity - writer->offset < FIXED_BYTES)
		return 0;
	reference = arrivals_us[first] / TICK_US / TICKS_PER_REFERENCE;
	arrivals.ticks = reference * TICKS_PER_REFERENCE;
	covered = count_that_fits(arrivals, writer->capacity - writer->offset);
	if (covered == 0)
		return 0;

	start = rtcp_packet_begin(writer, RTPFB_TRANSPORT_CC, RTCP_TRANSPORT_FEEDBACK);
	write_u32(writer, sender_ssrc);
	write_u32(writer, media_ssrc);
	write_u16(writer, base_sequence);
	write_u16(writer, (uint16_t)covered);
	write_u24(writer, (uint32_t)reference);
	write_u8(writer, feedback_count);

	arrivals.end_us = arrivals_us + covered;
	for (struct arrivals rest = arrivals; arrivals_left(&rest) > 0;)
		write_u16(writer, arrivals_next_chunk(&rest, STATUS_COUNT_MAX).bits);
	while (arrivals_next(&arrivals, &status, &delta)) {
		if (status == STATUS_SMALL_DELTA)
			write_u8(writer, (uint8_t)delta);
		else if (status == STATUS_LARGE_DELTA)
			write_u16(writer, (uint16_t)delta);
	}
	rtcp_packet_end(writer, start);
	return covered;
}

/* ---- reading ---- */

enum { HEADER_BYTES = 12, TWO_BIT_VECTOR = 0x4000, VECTOR = 0x8000, ONE_BIT_SYMBOLS = 14 };

/* The symbols of one chunk. */
struct symbols {
	uint16_t chunk;
	unsigned count, next;
};

static struct symbols symbols_of(uint16_t chunk)
{
	struct symbols symbols = {.chunk = chunk};

	if (!(chunk & VECTOR))
		symbols.count = chunk & RUN_MAX;
	else
		symbols.count = chunk & TWO_BIT_VECTOR ? CHUNK_SYMBOLS : ONE_BIT_SYMBOLS;
	return symbols;
}

static enum status symbols_next(struct symbols *symbols)
{
	unsigned i = symbols->next++;

	if (!(symbols->chunk & VECTOR))
		return (enum status)(symbols->chunk >> 13 & 3);
	if (symbols->chunk & TWO_BIT_VECTOR)
		return (enum status)(symbols->chunk >> (12 - 2 * i) & 3);
	return symbols->chunk >> (13 - i) & 1 ? STATUS_SMALL_DELTA : STATUS_LOST;
}

/* Step over the chunks of `count` packets: the deltas come behind them. */
static void skip_chunks(struct reader *reader, unsigned count)
{
	for (unsigned told = 0; told < count && !reader->failed;) {
		struct symbols symbols = symbols_of(read_u16(reader));

		if (symbols.count == 0)
			reader->failed = true; /* it would never end */
		told += symbols.count;
	}
}

int rtcp_read_transport_feedback(struct slice packet, transport_feedback_fn tell, void *data)
{
	struct reader chunks = reader_over(packet.data, packet.length), deltas;
	struct symbols symbols = {0};
	uint16_t sequence;
	unsigned count;
	int64_t ticks;

	(void)read_bytes(&chunks, HEADER_BYTES);
	sequence = read_u16(&chunks);
	count = read_u16(&chunks);
	ticks = (int64_t)read_uint(&chunks, 3) * TICKS_PER_REFERENCE;
	(void)read_u8(&chunks); /* the feedback packet's own count */
	deltas = chunks;
	skip_chunks(&deltas, count);
	for (; count > 0 && !chunks.failed && !deltas.failed; count--) {
		enum status status;

		if (symbols.next == symbols.count)
			symbols = symbols_of(read_u16(&chunks));
		status = symbols_next(&symbols);
		if (status == STATUS_SMALL_DELTA)
			ticks += read_u8(&deltas);
		else if (status == STATUS_LARGE_DELTA)
			ticks += (int16_t)read_u16(&deltas);
		else if (status != STATUS_LOST)
			return -EBADMSG; /* a symbol of the future */
		if (!deltas.failed &&
		    !tell(data, sequence++, status != STATUS_LOST, ticks * TICK_US))
			return 0;
	}
	return chunks.failed || deltas.failed ? -EBADMSG : 0;
}
