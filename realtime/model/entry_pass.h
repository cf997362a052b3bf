/* entry_pass.h - what somebody shows at the door of a room, besides who they are. Secrets, which
 * are wiped when it is freed. Thread: loop. */
#ifndef REALTIME_MODEL_ENTRY_PASS_H
#define REALTIME_MODEL_ENTRY_PASS_H

#include <stdbool.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/password.h"

enum { INVITE_TEXT_MAX = 64 };

struct entry_pass {
	char password[PASSWORD_MAX + 1];  /* "": none is shown */
	char invite[INVITE_TEXT_MAX + 1]; /* its token */
};

static inline struct entry_pass *entry_pass_free(struct entry_pass *pass)
{
	if (pass)
		explicit_bzero(pass, sizeof(*pass));
	free(pass);
	return NULL;
}

DEFINE_AUTO(entry_pass, entry_pass_free);

static inline bool entry_pass_has_invite(const struct entry_pass *pass)
{
	return pass && *pass->invite;
}

#endif
