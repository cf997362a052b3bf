/* realtimed: channels over WebSocket and SSE, signalling for calls, and the bus between the
 * processes. */
#include <stdio.h>
#include <string.h>

#include "core/log.h"
#include "realtime/edge/daemon.h"

static const char about[] =
	"realtimed - WebSocket and Server-Sent Events channels, and signalling for video calls.\n"
	"\n"
	"Runs behind the site's web server, which passes it /realtime/ws, /realtime/events and\n"
	"/realtime/webrtc/signaling. Started by systemd or by ./dev up.\n"
	"\n"
	"  realtimed            serve\n"
	"  realtimed --help     this text\n"
	"  realtimed --version  the version\n\n";

static int usage(const char *argument)
{
	(void)fprintf(stderr, "realtimed: there is no option %s; try --help\n", argument);
	return 1;
}

int main(int argc, char **argv)
{
	static struct daemon daemon;
	AUTO(config) config = NULL;
	struct error error = {0};
	int r;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		(void)fputs(about, stdout);
		config_print_help(stdout);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		(void)printf("realtimed %s\n", RT_VERSION);
		return 0;
	}
	if (argc > 1)
		return usage(argv[1]);
	r = config_load(&config, &error);
	if (r == 0) {
		config_apply_log(config, "realtimed");
		r = daemon_run(&daemon, config, &error);
	}
	if (r == 0)
		return 0;
	(void)fprintf(stderr, "realtimed: %s\n", *error.message ? error.message : strerror(-r));
	return 1;
}
