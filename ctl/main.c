/* realtimectl: what whoever runs the servers wants to know and to do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "ctl/commands.h"

static const struct command_list *const lists[] = {&live_commands, &store_commands, &key_commands};

static void print_help(FILE *out)
{
	(void)fputs(
		"realtimectl " RT_VERSION ", for whoever runs realtime\n"
		"\n"
		"It reads the same settings as the servers (/etc/realtime/realtime.conf or the\n"
		"environment). realtimectl COMMAND --help says more about each.\n"
		"\n",
		out);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		commands_print_list(lists[i], out);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help(stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("realtimectl " RT_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc < 2 || *argv[1] == '-') {
		print_help(stderr);
		return EXIT_USAGE;
	}
	return commands_run("realtimectl", lists, ARRAY_LEN(lists), argc - 1, argv + 1);
}
