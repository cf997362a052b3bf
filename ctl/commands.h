/* commands.h - what is done from a shell instead of serving: one word for what, one for to what,
 * and options. The commands read the same settings as the daemons and open the same store.
 *
 * What was asked for goes to stdout and nothing else does, so that scripts can use it. Thread:
 * main.
 */
#ifndef CTL_COMMANDS_H
#define CTL_COMMANDS_H

#include <stdio.h>

#include "core/config.h"

enum { EXIT_USAGE = 2 /* the words on the command line make no sense */ };

/* What may follow a command. */
enum option {
	OPTION_USER,
	OPTION_NAME,
	OPTION_RIGHTS,
	OPTION_ROLES,
	OPTION_CHANNELS,
	OPTION_ROOMS,
	OPTION_EXPIRES,
	OPTION_COUNT
};

struct arguments {
	const char *subject; /* NULL if the command takes none */
	const char *options[OPTION_COUNT];
};

struct command {
	const char *name, *subject; /* as help calls it; NULL: none */
	const char *summary, *help;
	unsigned options; /* bits of 1 << enum option */
	/* 0, or a negative errno with reterr; -EINVAL is the caller's fault. */
	int (*run)(const struct config *config, const struct arguments *arguments,
		   struct error *reterr);
};

struct command_list {
	const struct command *items;
	size_t count;
};

/* Keys and tokens; they need no daemon, which hears of it within two seconds if it runs. */
extern const struct command_list key_commands;
/* The store's file. */
extern const struct command_list store_commands;
/* What goes on right now; they ask realtimed and the SFU. */
extern const struct command_list live_commands;

/* The command argv[0] of `lists` (count of them) with its arguments. An exit status: 0, 1 (it could
 * not be done), EXIT_USAGE; why is told on stderr, under the name of `program`. */
int commands_run(const char *program, const struct command_list *const *lists, size_t count,
		 int argc, char **argv);

/* One line for each. */
void commands_print_list(const struct command_list *list, FILE *out);

/* Without its dashes. */
const char *command_option_name(enum option option);
/* For a command's own look at its options. Returns -EINVAL "bad_usage". */
int command_bad_option(enum option option, const char *why, struct error *reterr);

#endif
