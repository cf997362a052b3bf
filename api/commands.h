/* commands.h - what realtime-api does from a shell instead of serving: API keys and tokens, for
 * whoever runs the server. They read the same settings and open the same store; realtime-api and
 * realtimed need not run, and hear of it within two seconds if they do.
 *
 * What was made goes to stdout and nothing else does, so that scripts can use it. Thread: main.
 */
#ifndef API_COMMANDS_H
#define API_COMMANDS_H

#include <stdio.h>

enum { EXIT_USAGE = 2 /* the words on the command line make no sense */ };

/* The command argv[0] with its arguments. An exit status: 0, 1 (it could not be done), EXIT_USAGE;
 * why is told on stderr. */
int commands_run(int argc, char **argv);

/* One line for each. */
void commands_print_list(FILE *out);

#endif
