/* heap.h - memory that many short-lived things have left behind, given back to the kernel.
 *
 * glibc keeps what is freed between two blocks that live on; of a hundred handshakes at once that
 * is some megabytes, for good. malloc_trim() gives back whole pages of it, but goes through all
 * that is free, with each arena locked: not a thing for a thread that packets wait for. */
#ifndef CORE_HEAP_H
#define CORE_HEAP_H

#include <stdbool.h>

/* Something large was freed that is not needed again soon. Any thread; costs nothing. */
void heap_left_behind(void);
/* Give back what was left behind since the last call; false: nothing was. To be called now and
 * then, by a thread that has time. */
bool heap_give_back(void);

#endif
