/* realtime-api: the REST API behind a web server, over FastCGI and SCGI. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/api.h"
#include "api/edge/file_collector.h"
#include "api/edge/front.h"
#include "api/edge/listener.h"
#include "api/edge/search_indexer.h"
#include "api/edge/webhook_courier.h"
#include "core/log.h"
#include "ctl/commands.h"

enum { LISTENERS_MAX = 16, STOP_TIMEOUT_MS = 2500 };
/* Answers that are kept: some MB at most, of which most will never be used. */
enum { LISTS_KEPT = 16, LIST_BYTES_MAX = 256 << 10, ROOMS_KEPT = 512, ROOM_BYTES_MAX = 4096 };

static const char usage[] = "realtime-api " RT_VERSION ", the REST API behind a web server\n"
			    "\n"
			    "  realtime-api                    serve REALTIME_API_LISTEN\n"
			    "  realtime-api COMMAND            see below; COMMAND --help has more\n"
			    "  realtime-api --help | --version | --print-settings-markdown\n"
			    "\n";

struct listeners {
	struct listener items[LISTENERS_MAX];
	size_t count;
	int result;
	struct error error;
};

static int fail(const struct error *error, int number)
{
	(void)fprintf(stderr, "realtime-api: %s\n",
		      error->number ? error->message : strerror(-number));
	return EXIT_FAILURE;
}

/* ---- listening ---- */

static void open_listener(void *data, const char *item)
{
	struct listeners *listeners = data;

	if (listeners->result < 0)
		return;
	if (listeners->count == LISTENERS_MAX) {
		listeners->result =
			error_set(&listeners->error, -EINVAL, "bad_setting",
				  "REALTIME_API_LISTEN may name %d sockets", LISTENERS_MAX);
		return;
	}
	listeners->result =
		listener_open(item, &listeners->items[listeners->count], &listeners->error);
	if (listeners->result == 0)
		listeners->count++;
}

static int open_listeners(const char *list, struct listeners *listeners)
{
	config_list_for_each(list, open_listener, listeners);
	if (listeners->result == 0 && listeners->count == 0)
		listeners->result = error_set(&listeners->error, -EINVAL, "bad_setting",
					      "REALTIME_API_LISTEN is empty, so nobody could ask");
	return listeners->result;
}

static void close_listeners(struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->count; i++)
		listener_close(&listeners->items[i]);
}

/* ---- serving ---- */

static void block_signals(sigset_t *ret_stop)
{
	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(ret_stop);
	(void)sigaddset(ret_stop, SIGTERM);
	(void)sigaddset(ret_stop, SIGINT);
	/* Before the first thread: all inherit it, and main alone waits for them. */
	(void)pthread_sigmask(SIG_BLOCK, ret_stop, NULL);
}

/* Until a signal. Returns whether every thread has ended. */
static bool serve_until_stopped(struct front *front, const sigset_t *stop)
{
	int number;

	LOG(LOG_INFO, LOG_MAIN, "ready");
	(void)sd_notify(0, "READY=1");
	(void)sigwait(stop, &number);
	(void)sd_notify(0, "STOPPING=1");
	LOG(LOG_INFO, LOG_MAIN, "stopping", LOG_INT("signal", number));
	return front_stop(front, STOP_TIMEOUT_MS);
}

static int serve(const struct config *config)
{
	static const struct bus_client_events no_events;
	struct listeners listeners = {0};
	AUTO(bus_client) realtimed = NULL;
	AUTO(bus_client) sfu = NULL;
	AUTO(store) store = NULL;
	AUTO(namespaces) namespaces = NULL;
	AUTO(file_keeper) keeper = NULL;
	AUTO(occupancy) occupancy = NULL;
	AUTO(page_cache) pages = NULL;
	AUTO(page_cache) rooms = NULL;
	AUTO(store_group) changes = NULL;
	AUTO(file_collector) collector = NULL;
	struct webhook_tally tally = {0};
	AUTO(webhook_courier) courier = NULL;
	AUTO(search_indexer) indexer = NULL;
	struct front *front = NULL;
	struct error error = {0};
	struct api shared;
	sigset_t stop;
	int r;

	block_signals(&stop);
	/* Once before the threads do, so that migrations run in one place and faults are told once.
	 */
	r = store_open(config->REALTIME_DATABASE, STORE_DURABLE, &store, &error);
	if (r == 0)
		r = namespaces_new(config, &namespaces, &error);
	if (r == 0)
		r = file_keeper_new(config, &keeper, &error);
	if (r < 0)
		return fail(&error, r);
	r = open_listeners(config->REALTIME_API_LISTEN, &listeners);
	if (r < 0) {
		close_listeners(&listeners);
		return fail(&listeners.error, r);
	}
	occupancy = occupancy_new();
	pages = page_cache_new(LISTS_KEPT, LIST_BYTES_MAX);
	rooms = page_cache_new(ROOMS_KEPT, ROOM_BYTES_MAX);
	changes = store_group_new();
	r = occupancy && pages && rooms && changes ? 0 : -ENOMEM;
	if (r == 0)
		r = bus_client_new(config->REALTIME_BUS, "api", &no_events, NULL, &realtimed);
	if (r == 0)
		r = bus_client_new(config->REALTIME_SFU_CONTROL, "api", &no_events, NULL, &sfu);
	shared = (struct api){.config = config,
			      .namespaces = namespaces,
			      .keeper = keeper,
			      .webhook_tally = &tally,
			      .occupancy = occupancy,
			      .pages = pages,
			      .rooms = rooms,
			      .changes = changes,
			      .realtimed = realtimed,
			      .sfu = sfu};
	if (r == 0)
		r = file_collector_start(&shared, &collector, &error);
	if (r == 0)
		r = webhook_courier_start(&shared, &courier, &error);
	if (r == 0)
		r = search_indexer_start(&shared, &indexer, &error);
	if (r == 0)
		r = front_start(listeners.items, listeners.count, &shared, &front, &error);
	if (r < 0) {
		close_listeners(&listeners);
		return fail(&error, r);
	}
	if (!serve_until_stopped(front, &stop)) {
		/* A thread that is stuck in somebody else's socket. All it could lose is that
		 * request; what is committed is on the disk. */
		LOG(LOG_WARNING, LOG_MAIN, "stopped_with_requests_open");
		close_listeners(&listeners);
		_exit(EXIT_SUCCESS);
	}
	(void)front_free(front);
	close_listeners(&listeners);
	LOG(LOG_INFO, LOG_MAIN, "stopped");
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct command_list *const commands[] = {&key_commands};
	AUTO(config) config = NULL;
	struct error error = {0};
	int r;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		commands_print_list(&key_commands, stdout);
		config_print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("realtime-api " RT_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--print-settings-markdown") == 0) {
		config_print_markdown(stdout);
		return EXIT_SUCCESS;
	}
	if (argc > 1 && *argv[1] != '-')
		return commands_run("realtime-api", commands, ARRAY_LEN(commands), argc - 1,
				    argv + 1);
	if (argc > 1) {
		(void)fputs(usage, stderr);
		commands_print_list(&key_commands, stderr);
		return EXIT_USAGE;
	}
	r = config_load(&config, &error);
	if (r < 0)
		return fail(&error, r);
	config_apply_log(config, "api");
	return serve(config);
}
