#include "ctl/commands.h"

#include <errno.h>
#include <string.h>

static const char *const option_names[OPTION_COUNT] = {
	[OPTION_USER] = "user",		[OPTION_NAME] = "name",	  [OPTION_RIGHTS] = "rights",
	[OPTION_ROLES] = "roles",	[OPTION_ROOMS] = "rooms", [OPTION_EXPIRES] = "expires",
	[OPTION_CHANNELS] = "channels",
};

const char *command_option_name(enum option option)
{
	return option_names[option];
}

int command_bad_option(enum option option, const char *why, struct error *reterr)
{
	return error_set(reterr, -EINVAL, "bad_usage", "--%s %s", option_names[option], why);
}

static void print_usage(FILE *out, const char *program, const struct command *command)
{
	(void)fprintf(out, "%s %s%s%s%s\n", program, command->name, command->subject ? " " : "",
		      command->subject ? command->subject : "",
		      command->options ? " [--OPTION VALUE …]" : "");
}

void commands_print_list(const struct command_list *list, FILE *out)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct command *command = &list->items[i];
		char call[64];

		(void)snprintf(call, sizeof(call), "%s %s", command->name,
			       command->subject ? command->subject : "");
		(void)fprintf(out, "  %-24s %s\n", call, command->summary);
	}
	(void)fputc('\n', out);
}

/* The option that `word` ("--name" or "--name=value") names, if the command has it; or -1. */
static int option_find(const struct command *command, const char *word)
{
	size_t length = strcspn(word, "=");

	for (int i = 0; i < OPTION_COUNT; i++)
		if ((command->options & 1u << i) && length == strlen(option_names[i]) + 2 &&
		    strncmp(word + 2, option_names[i], length - 2) == 0)
			return i;
	return -1;
}

static int parse(const struct command *command, int argc, char **argv,
		 struct arguments *ret_arguments, struct error *reterr)
{
	for (int i = 1; i < argc; i++) {
		const char *word = argv[i], *equals = strchr(word, '=');
		int option;

		if (strncmp(word, "--", 2) != 0) {
			if (!command->subject || ret_arguments->subject)
				return error_set(reterr, -EINVAL, "bad_usage",
						 "\"%s\" is one word too many", word);
			ret_arguments->subject = word;
			continue;
		}
		option = option_find(command, word);
		if (option < 0)
			return error_set(reterr, -EINVAL, "bad_usage", "there is no option %s",
					 word);
		if (ret_arguments->options[option])
			return command_bad_option((enum option)option, "is given twice", reterr);
		if (!equals && i + 1 == argc)
			return command_bad_option((enum option)option, "needs a value", reterr);
		ret_arguments->options[option] = equals ? equals + 1 : argv[++i];
	}
	if (command->subject && !ret_arguments->subject)
		return error_set(reterr, -EINVAL, "bad_usage", "%s is missing", command->subject);
	return 0;
}

static int fail(const char *program, const struct command *command, const struct error *error,
		int number)
{
	(void)fprintf(stderr, "%s %s: %s\n", program, command->name,
		      error->number ? error->message : strerror(-number));
	if (number != -EINVAL)
		return EXIT_FAILURE;
	(void)fprintf(stderr, "%s %s --help says more\n", program, command->name);
	return EXIT_USAGE;
}

static int run(const char *program, const struct command *command, int argc, char **argv)
{
	AUTO(config) config = NULL;
	struct arguments arguments = {0};
	struct error error = {0};
	int r;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0) {
			print_usage(stdout, program, command);
			(void)printf("\n%c%s.\n%s", command->summary[0] - 'a' + 'A',
				     command->summary + 1, command->help);
			return EXIT_SUCCESS;
		}
	r = parse(command, argc, argv, &arguments, &error);
	if (r < 0)
		return fail(program, command, &error, r);
	r = config_load(&config, &error);
	if (r < 0) /* -EINVAL here is about a setting */
		return fail(program, command, &error, -EIO);
	config_apply_log(config, program);
	r = command->run(config, &arguments, &error);
	if (r == 0 && fflush(stdout) != 0)
		r = error_set(&error, -EIO, "cannot_write", "the answer could not be written");
	return r < 0 ? fail(program, command, &error, r) : EXIT_SUCCESS;
}

int commands_run(const char *program, const struct command_list *const *lists, size_t count,
		 int argc, char **argv)
{
	for (size_t list = 0; list < count; list++)
		for (size_t i = 0; i < lists[list]->count; i++)
			if (strcmp(lists[list]->items[i].name, argv[0]) == 0)
				return run(program, &lists[list]->items[i], argc, argv);
	(void)fprintf(stderr, "%s: there is no command \"%s\"; there are\n", program, argv[0]);
	for (size_t list = 0; list < count; list++)
		commands_print_list(lists[list], stderr);
	return EXIT_USAGE;
}
