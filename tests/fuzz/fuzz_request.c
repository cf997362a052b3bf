/* A whole request by CGI variables, as FastCGI and SCGI hand it over, through the router and the
 * real handlers: no crash, never our own fault (500), and an answer whose head and JSON are
 * well-formed.
 *
 *   METHOD URI\nNAME=value\n…\n\nbody
 *
 * The store is in memory, files lie in a folder of their own, and nobody is on the bus. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/router.h"
#include "core/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { VARIABLES_MAX = 24 };

struct given {
	char *text; /* owned; the variables point into it */
	const char *names[VARIABLES_MAX], *values[VARIABLES_MAX];
	size_t count;
	const uint8_t *body;
	size_t body_length;
};

static const char *variable(void *data, const char *name)
{
	const struct given *given = data;

	for (size_t i = 0; i < given->count; i++)
		if (strcmp(given->names[i], name) == 0)
			return given->values[i];
	return NULL;
}

static ssize_t read_body(void *data, void *into, size_t size)
{
	struct given *given = data;

	if (size > given->body_length)
		size = given->body_length;
	if (size > 0)
		memcpy(into, given->body, size);
	given->body += size;
	given->body_length -= size;
	return (ssize_t)size;
}

static const struct request_source source = {.variable = variable, .read = read_body};

static char folder[] = "/tmp/fuzz-request-XXXXXX";

static void remove_folder(void)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	if (system(command) != 0)
		(void)fprintf(stderr, "%s is left behind\n", folder);
}

/* Lives for all runs. */
static struct api *world(void)
{
	static const struct bus_client_events no_events;
	static struct api api;
	static struct webhook_tally tally;
	struct error error;
	struct config *config;
	struct namespaces *namespaces;
	struct file_keeper *keeper;
	struct bus_client *bus;

	if (api.config)
		return &api;
	assert(mkdtemp(folder));
	(void)atexit(remove_folder);
	(void)setenv("REALTIME_CONFIG", "/dev/null", 1);
	(void)setenv("REALTIME_DATA_DIR", folder, 1);
	(void)setenv("REALTIME_FILES_USER_QUOTA", "16MiB", 1);
	(void)setenv("REALTIME_MAX_BODY", "64KiB", 1);
	(void)setenv("REALTIME_JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	assert(config_load(&config, &error) == 0);
	log_set_level(LOG_MAIN, LOG_ERROR);
	assert(store_open(":memory:", STORE_RELAXED, &api.store, &error) == 0);
	assert(namespaces_new(config, &namespaces, &error) == 0);
	assert(file_keeper_new(config, &keeper, &error) == 0);
	assert(jwt_verifier_new(config, &api.verifier, &error) == 0);
	assert(bus_client_new("/nonexistent/bus", "api", &no_events, NULL, &bus) == 0);
	api.namespaces = namespaces;
	api.keeper = keeper;
	api.webhook_tally = &tally;
	api.realtimed = bus;
	api.sfu = bus;
	api.anonymous = identity_new_anonymous(true);
	api.pages = page_cache_new(16, 65536);
	api.rooms = page_cache_new(16, 4096);
	api.changes = store_group_new();
	api.config = config;
	return &api;
}

/* The text up to the empty line; what follows is the body. */
static void parse(struct given *given, const uint8_t *data, size_t size)
{
	const uint8_t *end = memmem(data, size, "\n\n", 2);
	size_t head = end ? (size_t)(end - data) : size;
	char *line, *rest, *blank;

	given->text = malloc(head + 1);
	assert(given->text);
	memcpy(given->text, data, head);
	given->text[head] = '\0';
	given->body = end ? end + 2 : data + size;
	given->body_length = size - (size_t)(given->body - data);
	rest = given->text;
	line = strsep(&rest, "\n");
	blank = strchr(line, ' ');
	given->names[0] = "REQUEST_METHOD";
	given->values[0] = line;
	given->count = 1;
	if (blank) {
		*blank = '\0';
		given->names[given->count] = "REQUEST_URI";
		given->values[given->count++] = blank + 1;
	}
	while (given->count < VARIABLES_MAX && (line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value = '\0';
		given->names[given->count] = line;
		given->values[given->count++] = value + 1;
	}
}

/* "Name: value\r\n" each, printable; nothing of the request can have ended one. */
static void check_head(const struct response *response)
{
	const char *line = response->headers, *end;

	for (; *line; line = end + 2) {
		end = strchr(line, '\r');
		assert(end && end[1] == '\n');
		assert(memmem(line, (size_t)(end - line), ": ", 2));
		for (const char *at = line; at < end; at++)
			assert((unsigned char)*at >= 0x20 && *at != 0x7f);
	}
}

static void check(const struct response *response)
{
	json_t *json;

	assert(response->status >= 200 && response->status != 500 && response->status < 600);
	check_head(response);
	if (!response->body || !response->content_type || !strstr(response->content_type, "json"))
		return;
	json = json_loadb(response->body, response->body_length, 0, NULL);
	assert(json);
	json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct given given = {0};
	struct response response;
	struct request request;

	parse(&given, data, size);
	router_serve(world(), &request, &source, &given, &response);
	check(&response);
	response_fini(&response);
	request_fini(&request);
	free(given.text);
	return 0;
}
