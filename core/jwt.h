/* jwt.h - JSON Web Tokens (RFC 7519), signed: is it genuine, is it valid now, and who is it?
 *
 * HS256 by REALTIME_JWT_SECRET; RS256, PS256 and ES256 by the key in REALTIME_JWT_PUBLIC_KEY (PEM);
 * any of them by the keys in REALTIME_JWT_JWKS (RFC 7517), which is read again when it changes. A
 * key does the algorithms of its own type alone (and of its `alg`, if it has one), so that nobody
 * signs with a public key as if it were a secret (RFC 8725 section 3.1).
 *
 * Claims: sub (or user_id), name, exp, nbf, iss, aud, channels, rooms, roles (docs/auth.md).
 * Thread: any, one at a time for each verifier.
 */
#ifndef CORE_JWT_H
#define CORE_JWT_H

#include "core/config.h"
#include "core/identity.h"

enum { JWT_MAX = 8192 /* bytes of a token */ };

struct jwt_verifier;

/* Read the keys that `config` names (borrowed, outlives it). Without any, every token is refused.
 *   -EINVAL "bad_setting" a file that cannot be read or holds no key of ours   -ENOMEM */
int jwt_verifier_new(const struct config *config, struct jwt_verifier **ret_verifier,
		     struct error *reterr) MUST_CHECK;
struct jwt_verifier *jwt_verifier_free(struct jwt_verifier *verifier);
DEFINE_AUTO(jwt_verifier, jwt_verifier_free);

/* Whose token is it? One reference, the caller's.
 *   -EKEYREJECTED "bad_token" not signed by a key of ours, malformed, or for somebody else
 *   -EKEYREJECTED "token_expired", "token_not_yet_valid"   -ENOMEM */
int jwt_verify(struct jwt_verifier *verifier, const char *token, int64_t now_unix_ms,
	       struct identity **ret_identity, struct error *reterr) MUST_CHECK;

/* Who the claims say it is, without a look at the times. -EKEYREJECTED "bad_token"   -ENOMEM */
int jwt_claims_identity(const json_t *claims, struct identity **ret_identity,
			struct error *reterr) MUST_CHECK;

/* A token with these claims, signed by `secret` (HS256): malloc()ed. NULL without memory. */
char *jwt_sign(const json_t *claims, const char *secret);

#endif
