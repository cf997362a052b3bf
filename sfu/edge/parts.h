/* parts.h - rooms larger than a core: a room has a part on each worker that some of its peers live
 * on, and a part shows its peers the tracks of the other parts.
 *
 * A part that begins says so to all workers. Whoever has one of the same room answers with what it
 * has, tells it of all changes from then on, and hears the same in return. Each track that is
 * published has on the other parts' workers a mirror: a track of its own, with its own cache, that
 * is fed by the bridge in place of a transport.
 *
 *   rtctransport ▶ rtctrack ▶ export ══ bridge ══▶ mirror's pads ▶ rtctrack ▶ rtctransport
 *
 * A part is known by a number that no other part has or had, so that what was sent to one that has
 * ended reaches nobody. Sources: parts.c (who has a part), mirror.c (tracks). Thread: worker.
 */
#ifndef SFU_EDGE_PARTS_H
#define SFU_EDGE_PARTS_H

#include "sfu/edge/bridge.h"

struct parts;

/* Of one worker. NULL without memory. */
struct parts *parts_new(struct bridge *bridge, unsigned worker);
/* After its last room. */
struct parts *parts_free(struct parts *parts);

int parts_fd(const struct parts *parts);
/* Do what has come; it sets the worker's clock, so that nothing in it is of the future. True: some
 * room has heard from all workers. */
bool parts_receive(struct parts *parts, uint64_t *now_us);
/* Hand over what the rooms had to say. */
void parts_flush(struct parts *parts);
/* This worker has too much to do, or no longer: the other parts of its rooms are to know. */
void parts_say_busy(struct parts *parts, bool is_busy);
/* Packets that other workers were too slow to take. */
uint64_t parts_dropped(const struct parts *parts);

#endif
