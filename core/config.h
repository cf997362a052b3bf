/* config.h - every setting of the three processes, in one table.
 *
 * The table (config_table.h) makes this struct, the parser, `--help` and docs/settings.md. Values
 * come from the environment, else from /etc/realtime/realtime.conf (or REALTIME_CONFIG), else from
 * the table. A trailing "# comment" is dropped; sizes take KB MB GB KiB MiB GiB; a secret NAME may
 * instead be given as NAME_FILE or as a systemd credential called NAME.
 *
 * Read once at the start, then constant. Thread: any.
 */
#ifndef CORE_CONFIG_H
#define CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/error.h"

enum config_type { CONFIG_BOOL, CONFIG_INT, CONFIG_SIZE, CONFIG_TEXT, CONFIG_SECRET };

/* Members carry the settings' own names: config->WEBSOCKET_HEARTBEAT_INTERVAL. */
#define CONFIG_BOOL_(name, fallback, help) bool name;
#define CONFIG_INT_(name, fallback, low, high, unit, help) int64_t name;
#define CONFIG_SIZE_(name, fallback, low, high, help) int64_t name;
#define CONFIG_TEXT_(name, fallback, help) char *name;
#define CONFIG_SECRET_(name, help) char *name;
struct config {
#include "core/config_table.h"
};
#undef CONFIG_BOOL_
#undef CONFIG_INT_
#undef CONFIG_SIZE_
#undef CONFIG_TEXT_
#undef CONFIG_SECRET_

/* Read everything. On failure reterr has the name, the value (unless secret) and the rule.
 *   -EINVAL "bad_setting"   -ENOENT/-EACCES "config_unreadable"   -ENOMEM */
int config_load(struct config **ret_config, struct error *reterr) MUST_CHECK;
struct config *config_free(struct config *config);
DEFINE_AUTO(config, config_free);

/* Apply log format and levels. */
void config_apply_log(const struct config *config, const char *process);

/* The table as `--help` prints it, and as docs/settings.md has it. */
void config_print_help(FILE *out);
void config_print_markdown(FILE *out);

/* Split at commas, trimming blanks: calls `visit` for each non-empty item. */
void config_list_for_each(const char *list, void (*visit)(void *data, const char *item),
			  void *data);

#endif
