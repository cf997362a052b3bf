/* What negotiation.c (what is agreed on) and negotiation_write.c (how it is told) share. */
#ifndef SFU_MODEL_NEGOTIATION_PRIVATE_H
#define SFU_MODEL_NEGOTIATION_PRIVATE_H

#include "sfu/model/negotiation.h"

/* Lines that both sides know of; the ones proposed by us and not yet answered come after them. */
size_t negotiation_agreed_count(const struct negotiation *negotiation);

/* Choose the payload types of one line of ours; all other lines of ours that have numbers keep
 * them. */
void negotiation_number_line(const struct negotiation *negotiation, struct media_line *line);
/* Of all lines of ours, anew: the peer may use numbers now that were free before. */
void negotiation_number_lines(struct negotiation *negotiation);

#endif
