#include "tests/bench/free_ports.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/id.h"

enum { FIRST = 20000, END = 30000, TRIES = 100 };

static bool is_free(unsigned port, int type)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool is_bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return is_bound;
}

unsigned free_ports(unsigned count)
{
	for (int i = 0; i < TRIES; i++) {
		uint16_t number;
		unsigned first, free_count = 0;

		random_bytes(&number, sizeof(number));
		first = FIRST + number % (END - FIRST - count);
		while (free_count < count && is_free(first + free_count, SOCK_DGRAM) &&
		       is_free(first + free_count, SOCK_STREAM))
			free_count++;
		if (free_count == count)
			return first;
	}
	return 0;
}
