#include "core/config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "core/log.h"

static const char default_config_path[] = "/etc/realtime/realtime.conf";

struct setting {
	const char *name;
	enum config_type type;
	const char *fallback;
	int64_t low, high;
	const char *unit, *help;
	size_t offset; /* of the member in struct config */
};

#define AT(name) offsetof(struct config, name)
#define CONFIG_BOOL_(name, fallback, help)                                                         \
	{#name, CONFIG_BOOL, #fallback, 0, 1, "", help, AT(name)},
#define CONFIG_INT_(name, fallback, low, high, unit, help)                                         \
	{#name, CONFIG_INT, #fallback, low, high, unit, help, AT(name)},
#define CONFIG_SIZE_(name, fallback, low, high, help)                                              \
	{#name, CONFIG_SIZE, #fallback, low, high, "bytes", help, AT(name)},
#define CONFIG_TEXT_(name, fallback, help) {#name, CONFIG_TEXT, fallback, 0, 0, "", help, AT(name)},
#define CONFIG_SECRET_(name, help) {#name, CONFIG_SECRET, "", 0, 0, "", help, AT(name)},
static const struct setting settings[] = {
#include "core/config_table.h"
};

static char *member_text(struct config *config, const struct setting *setting)
{
	return (char *)config + setting->offset;
}

/* ---- values ---- */

/* Drop blanks around the value and a trailing "# comment", in place. */
static char *trim(char *text)
{
	char *comment = text, *end;

	while ((comment = strchr(comment, '#'))) {
		if (comment == text || isspace((unsigned char)comment[-1])) {
			*comment = '\0';
			break;
		}
		comment++;
	}
	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return text;
}

static int parse_bool(const char *text, bool *ret_value)
{
	static const char *const words[][2] = {
		{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		for (int value = 0; value <= 1; value++) {
			if (strcasecmp(text, words[i][value]) == 0) {
				*ret_value = value;
				return 0;
			}
		}
	}
	return -EINVAL;
}

static int parse_number(const char *text, bool with_unit, int64_t *ret_value)
{
	static const struct {
		const char *suffix;
		int64_t factor;
	} units[] = {{"", 1},	       {"B", 1},	   {"KB", 1000},
		     {"MB", 1000000},  {"GB", 1000000000}, {"KiB", 1 << 10},
		     {"MiB", 1 << 20}, {"GiB", 1 << 30}};
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || errno != 0)
		return -EINVAL;
	while (isspace((unsigned char)*end))
		end++;
	for (size_t i = 0; i < (with_unit ? ARRAY_LEN(units) : 1); i++) {
		if (strcasecmp(end, units[i].suffix) == 0) {
			if (__builtin_mul_overflow(number, units[i].factor, &number))
				return -EINVAL;
			*ret_value = number;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_number(struct config *config, const struct setting *setting, const char *text,
		      struct error *reterr)
{
	bool is_size = setting->type == CONFIG_SIZE;
	int64_t value;

	if (parse_number(text, is_size, &value) < 0 || value < setting->low ||
	    value > setting->high)
		return error_set_field(reterr, -EINVAL, "bad_setting", setting->name,
				       "%s is \"%s\" but must be a whole number%s from %lld to "
				       "%lld%s%s",
				       setting->name, text, is_size ? " (or 10MB, 10MiB…)" : "",
				       (long long)setting->low, (long long)setting->high,
				       *setting->unit ? " " : "", setting->unit);
	memcpy(member_text(config, setting), &value, sizeof(value));
	return 0;
}

static int set_text(struct config *config, const struct setting *setting, const char *text)
{
	char *copy = strdup(text);
	char *old;

	if (!copy)
		return -ENOMEM;
	memcpy(&old, member_text(config, setting), sizeof(old));
	free(old);
	memcpy(member_text(config, setting), &copy, sizeof(copy));
	return 0;
}

static int set_value(struct config *config, const struct setting *setting, const char *raw,
		     struct error *reterr)
{
	AUTO_FREE char *copy = strdup(raw);
	char *text;
	bool flag;

	if (!copy)
		return -ENOMEM;
	if (setting->type == CONFIG_SECRET) /* a '#' may be part of it */
		return set_text(config, setting, raw);
	text = trim(copy);
	switch (setting->type) {
	case CONFIG_BOOL:
		if (parse_bool(text, &flag) < 0)
			return error_set_field(reterr, -EINVAL, "bad_setting", setting->name,
					       "%s is \"%s\" but must be true or false",
					       setting->name, text);
		memcpy(member_text(config, setting), &flag, sizeof(flag));
		return 0;
	case CONFIG_INT:
	case CONFIG_SIZE:
		return set_number(config, setting, text, reterr);
	case CONFIG_TEXT:
	case CONFIG_SECRET:
		return set_text(config, setting, text);
	}
	return -EINVAL;
}

/* ---- sources ---- */

static const struct setting *setting_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (strcmp(settings[i].name, name) == 0)
			return &settings[i];
	return NULL;
}

static int read_line(struct config *config, char *line, const char *path, int number,
		     struct error *reterr)
{
	const struct setting *setting;
	char *equals, *name = line;

	while (isspace((unsigned char)*name))
		name++;
	if (!*name || *name == '#')
		return 0;
	equals = strchr(name, '=');
	if (!equals)
		return error_set(reterr, -EINVAL, "bad_setting", "%s:%d is not NAME=value", path,
				 number);
	*equals = '\0';
	name = trim(name);
	equals[1 + strcspn(equals + 1, "\r\n")] = '\0';
	setting = setting_find(name);
	if (!setting)
		return error_set_field(reterr, -EINVAL, "bad_setting", name,
				       "%s:%d: there is no setting called %s", path, number, name);
	return set_value(config, setting, equals + 1, reterr);
}

static int read_file(struct config *config, struct error *reterr)
{
	const char *path = getenv("REALTIME_CONFIG");
	bool was_asked_for = path != NULL;
	char line[4096];
	int number = 0, r = 0;
	FILE *file;

	if (!path)
		path = default_config_path;
	file = fopen(path, "re");
	if (!file) {
		if (!was_asked_for && errno == ENOENT)
			return 0;
		return error_set(reterr, -errno, "config_unreadable", "%s cannot be read: %s", path,
				 strerror(errno));
	}
	while (r == 0 && fgets(line, sizeof(line), file))
		r = read_line(config, line, path, ++number, reterr);
	(void)fclose(file); /* read only */
	return r;
}

/* The content of NAME_FILE or of the systemd credential NAME; NULL if neither is there. */
static int read_secret(const struct setting *setting, char **ret_value, struct error *reterr)
{
	char name[128], path[PATH_MAX], value[4096];
	const char *folder = getenv("CREDENTIALS_DIRECTORY"), *named;
	size_t length;
	FILE *file;

	(void)snprintf(name, sizeof(name), "%s_FILE", setting->name);
	named = getenv(name);
	if (named)
		(void)snprintf(path, sizeof(path), "%s", named);
	else if (folder)
		(void)snprintf(path, sizeof(path), "%s/%s", folder, setting->name);
	else
		return 0;
	file = fopen(path, "re");
	if (!file) {
		if (!named && errno == ENOENT)
			return 0;
		return error_set_field(reterr, -errno, "config_unreadable", setting->name,
				       "%s: %s cannot be read: %s", setting->name, path,
				       strerror(errno));
	}
	length = fread(value, 1, sizeof(value) - 1, file);
	(void)fclose(file);
	while (length > 0 && (value[length - 1] == '\n' || value[length - 1] == '\r'))
		length--;
	value[length] = '\0';
	*ret_value = strdup(value);
	explicit_bzero(value, sizeof(value));
	return *ret_value ? 0 : -ENOMEM;
}

static int read_environment(struct config *config, const struct setting *setting,
			    struct error *reterr)
{
	const char *value = getenv(setting->name);
	char *secret = NULL;
	int r;

	if (value)
		return set_value(config, setting, value, reterr);
	if (setting->type != CONFIG_SECRET)
		return 0;
	r = read_secret(setting, &secret, reterr);
	if (r < 0 || !secret)
		return r;
	r = set_text(config, setting, secret);
	explicit_bzero(secret, strlen(secret));
	free(secret);
	return r;
}

static int check_words(const struct config *config, struct error *reterr)
{
	const struct {
		const char *name, *value;
	} levels[] = {{"REALTIME_LOG_LEVEL", config->REALTIME_LOG_LEVEL},
		      {"REALTIME_LOG_LEVEL_WEBSOCKET", config->REALTIME_LOG_LEVEL_WEBSOCKET},
		      {"REALTIME_LOG_LEVEL_WEBRTC", config->REALTIME_LOG_LEVEL_WEBRTC}};
	enum log_level level;

	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (*levels[i].value && log_level_parse(levels[i].value, &level) < 0)
			return error_set_field(reterr, -EINVAL, "bad_setting", levels[i].name,
					       "%s is \"%s\" but must be debug, info, warning or "
					       "error",
					       levels[i].name, levels[i].value);
	if (strcmp(config->REALTIME_LOG_FORMAT, "text") != 0 &&
	    strcmp(config->REALTIME_LOG_FORMAT, "json") != 0)
		return error_set_field(reterr, -EINVAL, "bad_setting", "REALTIME_LOG_FORMAT",
				       "REALTIME_LOG_FORMAT is \"%s\" but must be text or json",
				       config->REALTIME_LOG_FORMAT);
	if (*config->REALTIME_JWT_SECRET && strlen(config->REALTIME_JWT_SECRET) < 32)
		return error_set_field(reterr, -EINVAL, "bad_setting", "REALTIME_JWT_SECRET",
				       "REALTIME_JWT_SECRET must be at least 32 bytes long");
	return 0;
}

int config_load(struct config **ret_config, struct error *reterr)
{
	AUTO(config) config = calloc(1, sizeof(*config));
	int r = config ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(settings); i++)
		r = set_value(config, &settings[i], settings[i].fallback, reterr);
	if (r == 0)
		r = read_file(config, reterr);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(settings); i++)
		r = read_environment(config, &settings[i], reterr);
	if (r == 0)
		r = check_words(config, reterr);
	if (r < 0)
		return r;
	*ret_config = STEAL(config);
	return 0;
}

struct config *config_free(struct config *config)
{
	if (!config)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		char *text;

		if (settings[i].type != CONFIG_TEXT && settings[i].type != CONFIG_SECRET)
			continue;
		memcpy(&text, member_text(config, &settings[i]), sizeof(text));
		if (text && settings[i].type == CONFIG_SECRET)
			explicit_bzero(text, strlen(text));
		free(text);
	}
	free(config);
	return NULL;
}

void config_apply_log(const struct config *config, const char *process)
{
	const char *levels[LOG_CATEGORY_COUNT] = {[LOG_MAIN] = config->REALTIME_LOG_LEVEL,
						  [LOG_WEBSOCKET] =
							  config->REALTIME_LOG_LEVEL_WEBSOCKET,
						  [LOG_WEBRTC] = config->REALTIME_LOG_LEVEL_WEBRTC};

	log_init(process, strcmp(config->REALTIME_LOG_FORMAT, "json") == 0);
	for (unsigned i = 0; i < LOG_CATEGORY_COUNT; i++) {
		const char *text = *levels[i] ? levels[i] : levels[LOG_MAIN];
		enum log_level level;

		if (log_level_parse(text, &level) == 0) /* config_load() has checked it */
			log_set_level((enum log_category)i, level);
	}
}

static const char *rule_of(const struct setting *setting, char *text, size_t size)
{
	switch (setting->type) {
	case CONFIG_BOOL:
		return "true or false";
	case CONFIG_INT:
	case CONFIG_SIZE:
		(void)snprintf(text, size, "%lld to %lld%s%s", (long long)setting->low,
			       (long long)setting->high, *setting->unit ? " " : "", setting->unit);
		return text;
	case CONFIG_TEXT:
		return "text";
	case CONFIG_SECRET:
		return "secret; or a file named by …_FILE";
	}
	return "";
}

void config_print_help(FILE *out)
{
	char rule[80];

	(void)fprintf(out, "Settings, from the environment or %s:\n\n", default_config_path);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		(void)fprintf(out, "  %s=%s\n      %s (%s).\n", settings[i].name,
			      settings[i].fallback, settings[i].help,
			      rule_of(&settings[i], rule, sizeof(rule)));
}

void config_print_markdown(FILE *out)
{
	char rule[80];

	(void)fprintf(out, "| setting | default | values | what |\n| --- | --- | --- | --- |\n");
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		(void)fprintf(out, "| `%s` | `%s` | %s | %s |\n", settings[i].name,
			      settings[i].fallback, rule_of(&settings[i], rule, sizeof(rule)),
			      settings[i].help);
}

void config_list_for_each(const char *list, void (*visit)(void *data, const char *item), void *data)
{
	AUTO_FREE char *copy = strdup(list);
	char *rest = copy, *item;

	while (copy && (item = strsep(&rest, ","))) {
		item = trim(item);
		if (*item)
			visit(data, item);
	}
}
