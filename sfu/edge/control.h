/* control.h - the SFU's own socket, on which it says how it is (bus frames; SFU_STATUS).
 *
 * It answers while realtimed is away, and a worker that hangs shows as "alive": false, because
 * every answer comes from the workers themselves. Thread: its own; main for life.
 */
#ifndef SFU_EDGE_CONTROL_H
#define SFU_EDGE_CONTROL_H

#include "sfu/edge/bus_link.h"

struct control;

/* `workers` is borrowed. Errors of unix_listener_open(), -ENOMEM. */
int control_new(const char *path, const struct workers *workers, struct control **ret_control,
		struct error *reterr) MUST_CHECK;
struct control *control_free(struct control *control);

#endif
