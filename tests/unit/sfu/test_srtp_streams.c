#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sfu/wire/srtp_streams.h"

static void a_full_table_finds_everybody_and_takes_nobody(void **state)
{
	struct srtp_streams streams;
	struct srtp_stream *stream;

	(void)state;
	assert_int_equal(srtp_streams_init(&streams), 0);
	for (uint32_t i = 0; i < SRTP_STREAMS_MAX; i++) {
		assert_int_equal(srtp_streams_find(&streams, i << 20, &stream), -ENOENT);
		assert_int_equal(srtp_streams_add(&streams, i << 20, &stream), 0);
	}
	assert_int_equal(srtp_streams_add(&streams, 1, &stream), -ENOSPC);
	for (uint32_t i = 0; i < SRTP_STREAMS_MAX; i++) {
		assert_int_equal(srtp_streams_find(&streams, i << 20, &stream), 0);
		assert_int_equal(stream->ssrc, i << 20);
	}
	srtp_streams_fini(&streams);
}

static void a_retired_ssrc_makes_room_but_never_returns(void **state)
{
	struct srtp_streams streams;
	struct srtp_stream *stream;
	uint32_t ssrc;

	(void)state;
	assert_int_equal(srtp_streams_init(&streams), 0);
	for (ssrc = 0; ssrc < SRTP_LIFETIME_STREAMS_MAX; ssrc++) {
		assert_int_equal(srtp_streams_add(&streams, ssrc, &stream), 0);
		srtp_streams_retire(&streams, ssrc);
		assert_int_equal(srtp_streams_find(&streams, ssrc, &stream), -EEXIST);
	}
	assert_int_equal(streams.live_count, 0);
	assert_int_equal(srtp_streams_add(&streams, ssrc, &stream), -ENOSPC);
	for (ssrc = 0; ssrc < SRTP_LIFETIME_STREAMS_MAX; ssrc++)
		assert_int_equal(srtp_streams_find(&streams, ssrc, &stream), -EEXIST);
	srtp_streams_retire(&streams, 0);
	srtp_streams_retire(&streams, ssrc);
	assert_int_equal(srtp_streams_find(&streams, ssrc, &stream), -ENOENT);
	srtp_streams_fini(&streams);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_full_table_finds_everybody_and_takes_nobody),
		cmocka_unit_test(a_retired_ssrc_makes_room_but_never_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
