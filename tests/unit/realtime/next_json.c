#include "tests/unit/cmocka_all.h"

#include "tests/unit/realtime/next_json.h"

json_t *next_json(struct outbox *outbox)
{
	const struct frame *frame;
	size_t header = 2;
	json_t *message;

	assert_true(outbox->count > 0);
	frame = outbox_peek(outbox, 0);
	assert_int_equal(frame->bytes[0], 0x81);
	if (frame->bytes[1] == 126)
		header = 4;
	message = json_loadb((const char *)frame->bytes + header, frame->length - header, 0, NULL);
	assert_non_null(message);
	outbox_drop(outbox, 1);
	return message;
}
