#include "realtime/model/guess_limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_SIZE = 256 };

struct guesser {
	struct table_link by_name;
	struct list age_link;
	uint64_t refilled_at_us; /* up to when refills are counted in */
	unsigned left;
	char name[];
};

int guess_limit_init(struct guess_limit *limit)
{
	list_init(&limit->by_age);
	return table_init(&limit->guessers);
}

static void forget(struct guess_limit *limit, struct guesser *guesser)
{
	table_remove(&limit->guessers, &guesser->by_name);
	list_remove(&guesser->age_link);
	free(guesser);
}

void guess_limit_fini(struct guess_limit *limit)
{
	struct list *link;

	while ((link = list_first(&limit->by_age)))
		forget(limit, LIST_ITEM(link, struct guesser, age_link));
	table_fini(&limit->guessers);
}

static void refill(struct guesser *guesser, uint64_t now_us)
{
	uint64_t more = (now_us - guesser->refilled_at_us) / GUESS_REFILL_US;

	if (guesser->left + more >= GUESSES_BURST) {
		guesser->left = GUESSES_BURST;
		guesser->refilled_at_us = now_us;
	} else {
		guesser->left += (unsigned)more;
		guesser->refilled_at_us += more * GUESS_REFILL_US;
	}
}

static struct guesser *find(const struct guess_limit *limit, const char *room_id,
			    const char *address, char name[NAME_SIZE])
{
	struct table_link *link;

	(void)snprintf(name, NAME_SIZE, "%s %s", room_id, address);
	link = table_find(&limit->guessers, name);
	return link ? TABLE_ITEM(link, struct guesser, by_name) : NULL;
}

static struct guesser *add(struct guess_limit *limit, const char *name, uint64_t now_us)
{
	size_t size = strlen(name) + 1;
	struct guesser *guesser;

	if (limit->guessers.count >= GUESSERS_MAX)
		forget(limit, LIST_ITEM(list_first(&limit->by_age), struct guesser, age_link));
	guesser = calloc(1, sizeof(*guesser) + size);
	if (!guesser)
		return NULL;
	memcpy(guesser->name, name, size);
	guesser->left = GUESSES_BURST;
	guesser->refilled_at_us = now_us;
	list_init(&guesser->age_link);
	list_append(&limit->by_age, &guesser->age_link);
	table_add(&limit->guessers, guesser->name, &guesser->by_name);
	return guesser;
}

int guess_limit_take(struct guess_limit *limit, const char *room_id, const char *address,
		     uint64_t now_us)
{
	char name[NAME_SIZE];
	struct guesser *guesser = find(limit, room_id, address, name);

	if (!guesser)
		guesser = add(limit, name, now_us);
	if (!guesser)
		return -ENOMEM;
	refill(guesser, now_us);
	list_remove(&guesser->age_link);
	list_append(&limit->by_age, &guesser->age_link);
	if (guesser->left == 0)
		return -EDQUOT;
	guesser->left--;
	return 0;
}

void guess_limit_give_back(struct guess_limit *limit, const char *room_id, const char *address)
{
	char name[NAME_SIZE];
	struct guesser *guesser = find(limit, room_id, address, name);

	if (guesser && ++guesser->left >= GUESSES_BURST)
		forget(limit, guesser);
}
