#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <stun/stunagent.h>

#include "sfu/wire/stun.h"

static const char password[] = "VOkJxbRl1RmTxUk/WvJxBt";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input with integrity and fingerprint put right, as no mutation would get them. */
static size_t sign(const uint8_t *data, size_t size, uint8_t *out, size_t capacity)
{
	static const uint16_t known[] = {0};
	StunMessage message = {.buffer = out, .buffer_len = capacity};
	StunAgent agent;

	if (size < 20 || size > capacity || size % 4 != 0)
		return 0;
	stun_agent_init(&agent, known, STUN_COMPATIBILITY_RFC5389,
			STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
	message.agent = &agent;
	memcpy(out, data, size);
	out[2] = (uint8_t)((size - 20) >> 8);
	out[3] = (uint8_t)(size - 20);
	return stun_agent_finish_message(&agent, &message, (const uint8_t *)password,
					 strlen(password));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct sockaddr_in source = {.sin_family = AF_INET, .sin_port = 1};
	static struct stun_server *server; /* kept: libFuzzer calls us for ever */
	struct stun_binding binding;
	uint8_t signed_bytes[1500];
	size_t signed_size = sign(data, size, signed_bytes, sizeof(signed_bytes));

	if (!server && stun_server_new(&server) < 0)
		return 0;
	(void)stun_local_ufrag_peek(data, size);
	(void)stun_binding_answer(server, data, size, "evtj", password,
				  (const struct sockaddr *)&source, sizeof(source), &binding);
	if (signed_size > 0)
		(void)stun_binding_answer(server, signed_bytes, signed_size, "evtj", password,
					  (const struct sockaddr *)&source, sizeof(source),
					  &binding);
	return 0;
}
