#include "sfu/model/overload.h"

enum {
	SECOND_US = 1000000,
	REFUSE_AFTER_US = 2 * SECOND_US, /* past the limit; a join or a keyframe is no overload */
	ADMIT_AFTER_US = 2 * SECOND_US,	 /* below five sixths of it */
	LOWER_EVERY_US = SECOND_US, /* while less than a third of what the limit leaves is left */
	RAISE_EVERY_US = 3 * SECOND_US,
	RAISE_PERCENT = 10
};

void overload_init(struct overload *overload, unsigned limit_percent)
{
	*overload = (struct overload){.limit_percent = limit_percent,
				      .share_percent = OVERLOAD_SHARE_ALL};
}

static void since(uint64_t *since_us, bool holds, uint64_t now_us)
{
	if (!holds)
		*since_us = 0;
	else if (*since_us == 0)
		*since_us = now_us;
}

static bool has_lasted(uint64_t since_us, uint64_t now_us, uint64_t us)
{
	return since_us && now_us - since_us >= us;
}

static void lower(struct overload *overload)
{
	overload->share_percent -= overload->share_percent / 4;
	if (overload->share_percent < OVERLOAD_SHARE_MIN)
		overload->share_percent = OVERLOAD_SHARE_MIN;
}

static void raise_share(struct overload *overload)
{
	overload->share_percent += RAISE_PERCENT;
	if (overload->share_percent > OVERLOAD_SHARE_ALL)
		overload->share_percent = OVERLOAD_SHARE_ALL;
}

bool overload_update(struct overload *overload, unsigned load_percent, uint64_t now_us)
{
	unsigned limit = overload->limit_percent, full = limit + 2 * (100 - limit) / 3;
	struct overload before = *overload;

	if (limit == 0)
		return false;
	since(&overload->busy_since_us, load_percent >= limit, now_us);
	since(&overload->idle_since_us, 6 * load_percent < 5 * limit, now_us);
	if (has_lasted(overload->busy_since_us, now_us, REFUSE_AFTER_US))
		overload->refuses = true;
	else if (has_lasted(overload->idle_since_us, now_us, ADMIT_AFTER_US))
		overload->refuses = false;
	if (overload->refuses && load_percent >= full &&
	    now_us - overload->changed_at_us >= LOWER_EVERY_US)
		lower(overload);
	else if (has_lasted(overload->idle_since_us, now_us, RAISE_EVERY_US) &&
		 now_us - overload->changed_at_us >= RAISE_EVERY_US)
		raise_share(overload);
	if (overload->share_percent != before.share_percent)
		overload->changed_at_us = now_us;
	return overload->refuses != before.refuses ||
	       overload->share_percent != before.share_percent;
}
