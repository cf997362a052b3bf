#include "core/jwt.h"

#include <cjose/cjose.h>
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/id.h"
#include "core/json.h"

enum {
	KEYS_MAX = 32,
	KID_SIZE = 128,
	JWKS_LOOK_MS = 5000, /* how often the file is looked at */
	SECRET_MIN = 32,     /* bytes (RFC 7518 section 3.2) */
	RSA_BITS_MIN = 2048
};

struct key {
	cjose_jwk_t *jwk;   /* owned */
	char kid[KID_SIZE]; /* "" if it has none */
	char algorithm[8];  /* the only one it is for; "" if it does not say */
	bool is_of_file;    /* of the JWKS, and goes with it */
};

struct jwt_verifier {
	const struct config *config; /* borrowed */
	struct key keys[KEYS_MAX];
	size_t key_count;
	int64_t looked_at_unix_ms;
	struct stat jwks_seen; /* the file as it was read */
};

/* Which algorithms go with which type of key; nothing else is accepted. */
static const struct {
	const char *name;
	cjose_jwk_kty_t type;
} algorithms[] = {
	{"HS256", CJOSE_JWK_KTY_OCT},
	{"RS256", CJOSE_JWK_KTY_RSA},
	{"PS256", CJOSE_JWK_KTY_RSA},
	{"ES256", CJOSE_JWK_KTY_EC},
};

/* ---- base64url ---- */

/* RFC 4648 section 5 without padding, and something at all. Looked at before libcjose does: on a
 * `=` in the middle it does not fail but ends the process. */
static bool is_base64url(const char *text, size_t length)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	return length > 0 && length % 4 != 1 && strspn(text, alphabet) >= length;
}

/* Three parts with dots between them (RFC 7515 section 3.1)? */
static bool is_compact(const char *token)
{
	for (int part = 0; part < 3; part++) {
		size_t length = strcspn(token, ".");

		if (!is_base64url(token, length) || token[length] != (part < 2 ? '.' : '\0'))
			return false;
		token += length + 1;
	}
	return true;
}

/* ---- keys ---- */

static int bad_file(struct error *reterr, const char *setting, const char *path, const char *why)
{
	return error_set(reterr, -EINVAL, "bad_setting", "%s=%.100s: %s", setting, path, why);
}

/* Is it one that we take? NULL, or what is wrong with it. */
static const char *objection_to(const cjose_jwk_t *jwk)
{
	switch (cjose_jwk_get_kty(jwk, NULL)) {
	case CJOSE_JWK_KTY_OCT:
		return cjose_jwk_get_keysize(jwk, NULL) < SECRET_MIN * 8
			       ? "a secret must have 32 bytes or more"
			       : NULL;
	case CJOSE_JWK_KTY_RSA:
		return cjose_jwk_get_keysize(jwk, NULL) < RSA_BITS_MIN
			       ? "an RSA key must have 2048 bits or more"
			       : NULL;
	case CJOSE_JWK_KTY_EC:
		return cjose_jwk_EC_get_curve(jwk, NULL) == CJOSE_JWK_EC_P_256
			       ? NULL
			       : "an EC key must be on the curve P-256";
	}
	return "it is of no type that is known here";
}

/* `jwk` is taken in any case. */
static int add_key_take(struct jwt_verifier *verifier, cjose_jwk_t *jwk, bool is_of_file,
			const char **ret_objection)
{
	struct key *key = &verifier->keys[verifier->key_count];
	const char *kid;

	*ret_objection = jwk ? objection_to(jwk) : "it is no key";
	if (!*ret_objection && verifier->key_count == KEYS_MAX)
		*ret_objection = "there are more than 32 keys";
	if (*ret_objection) {
		(void)cjose_jwk_release(jwk);
		return -EINVAL;
	}
	kid = cjose_jwk_get_kid(jwk, NULL);
	*key = (struct key){.jwk = jwk, .is_of_file = is_of_file};
	(void)snprintf(key->kid, sizeof(key->kid), "%s", kid ? kid : "");
	verifier->key_count++;
	return 0;
}

static int add_secret(struct jwt_verifier *verifier, const char *secret, struct error *reterr)
{
	const char *objection;
	cjose_jwk_t *jwk = cjose_jwk_create_oct_spec((const uint8_t *)secret, strlen(secret), NULL);

	if (add_key_take(verifier, jwk, false, &objection) < 0)
		return error_set(reterr, -EINVAL, "bad_setting", "REALTIME_JWT_SECRET: %s",
				 objection);
	return 0;
}

/* A number of a public key as big-endian bytes: malloc()ed. NULL if it has none. */
static uint8_t *number_of(const EVP_PKEY *pkey, const char *name, size_t padded, size_t *ret_length)
{
	BIGNUM *number = NULL;
	uint8_t *bytes = NULL;

	if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1) {
		*ret_length = padded ? padded : (size_t)BN_num_bytes(number);
		bytes = malloc(*ret_length);
		if (bytes && BN_bn2binpad(number, bytes, (int)*ret_length) < 0) {
			free(bytes);
			bytes = NULL;
		}
	}
	BN_free(number);
	return bytes;
}

static cjose_jwk_t *jwk_of_rsa(const EVP_PKEY *pkey)
{
	cjose_jwk_rsa_keyspec spec = {0};
	AUTO_FREE uint8_t *n = number_of(pkey, OSSL_PKEY_PARAM_RSA_N, 0, &spec.nlen);
	AUTO_FREE uint8_t *e = number_of(pkey, OSSL_PKEY_PARAM_RSA_E, 0, &spec.elen);

	spec.n = n;
	spec.e = e;
	return n && e ? cjose_jwk_create_RSA_spec(&spec, NULL) : NULL;
}

static cjose_jwk_t *jwk_of_ec(const EVP_PKEY *pkey)
{
	cjose_jwk_ec_keyspec spec = {.crv = CJOSE_JWK_EC_P_256};
	AUTO_FREE uint8_t *x = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_X, 32, &spec.xlen);
	AUTO_FREE uint8_t *y = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, 32, &spec.ylen);

	spec.x = x;
	spec.y = y;
	return x && y ? cjose_jwk_create_EC_spec(&spec, NULL) : NULL;
}

static int add_pem(struct jwt_verifier *verifier, const char *path, struct error *reterr)
{
	FILE *file = fopen(path, "re");
	const char *objection;
	cjose_jwk_t *jwk = NULL;
	EVP_PKEY *pkey;

	if (!file)
		return bad_file(reterr, "REALTIME_JWT_PUBLIC_KEY", path, strerror(errno));
	pkey = PEM_read_PUBKEY(file, NULL, NULL, NULL);
	(void)fclose(file);
	if (pkey && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA)
		jwk = jwk_of_rsa(pkey);
	else if (pkey && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC)
		jwk = jwk_of_ec(pkey);
	EVP_PKEY_free(pkey);
	if (add_key_take(verifier, jwk, false, &objection) < 0)
		return bad_file(reterr, "REALTIME_JWT_PUBLIC_KEY", path,
				jwk ? objection : "it holds no RSA or P-256 public key in PEM");
	return 0;
}

static void drop_file_keys(struct jwt_verifier *verifier)
{
	size_t kept = 0;

	for (size_t i = 0; i < verifier->key_count; i++) {
		if (verifier->keys[i].is_of_file)
			(void)cjose_jwk_release(verifier->keys[i].jwk);
		else
			verifier->keys[kept++] = verifier->keys[i];
	}
	verifier->key_count = kept;
}

static bool has_sound_numbers(const json_t *jwk)
{
	static const char *const names[] = {"k",  "n",	"e",  "d", "p", "q",
					    "dp", "dq", "qi", "x", "y"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const json_t *number = json_object_get(jwk, names[i]);

		if (number &&
		    (!json_is_string(number) ||
		     !is_base64url(json_string_value(number), json_string_length(number))))
			return false;
	}
	return true;
}

/* Take the keys of a set; what is in it for other uses or of other types is passed over (RFC 7517
 * section 5). How many. */
static size_t add_set(struct jwt_verifier *verifier, const json_t *set)
{
	const json_t *keys = json_object_get(set, "keys"), *item;
	size_t i, count = 0;

	json_array_foreach ((json_t *)(uintptr_t)keys, i, item) {
		const char *use = json_string_value(json_object_get(item, "use")), *objection;
		const char *algorithm = json_string_value(json_object_get(item, "alg"));
		AUTO_FREE char *text = json_dumps(item, JSON_COMPACT);

		if (!text || (use && strcmp(use, "sig") != 0) || !has_sound_numbers(item))
			continue;
		if (add_key_take(verifier, cjose_jwk_import(text, strlen(text), NULL), true,
				 &objection) < 0)
			continue;
		(void)snprintf(verifier->keys[verifier->key_count - 1].algorithm,
			       sizeof(verifier->keys->algorithm), "%s", algorithm ? algorithm : "");
		count++;
	}
	return count;
}

static int read_set(struct jwt_verifier *verifier, struct error *reterr)
{
	const char *path = verifier->config->REALTIME_JWT_JWKS;
	FILE *file = fopen(path, "re");
	json_error_t json_error;
	AUTO_JSON set = NULL;
	struct stat status = {0};

	if (!file)
		return bad_file(reterr, "REALTIME_JWT_JWKS", path, strerror(errno));
	(void)fstat(fileno(file), &status); /* of the very file that is read, and before */
	set = json_loadf(file, JSON_REJECT_DUPLICATES, &json_error);
	(void)fclose(file);
	if (!set)
		return bad_file(reterr, "REALTIME_JWT_JWKS", path, json_error.text);
	verifier->jwks_seen = status;
	drop_file_keys(verifier);
	if (add_set(verifier, set) == 0)
		return bad_file(reterr, "REALTIME_JWT_JWKS", path, "it holds no key of ours");
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ino == b->st_ino && a->st_size == b->st_size;
}

/* Has the file changed? One that cannot be read changes nothing; one without a key leaves none. */
static void refresh_set(struct jwt_verifier *verifier, int64_t now_unix_ms)
{
	const char *path = verifier->config->REALTIME_JWT_JWKS;
	struct stat status;

	int64_t passed_ms = now_unix_ms - verifier->looked_at_unix_ms;

	if (!*path || (passed_ms >= 0 && passed_ms < JWKS_LOOK_MS))
		return; /* the clock may have been put back */
	verifier->looked_at_unix_ms = now_unix_ms;
	if (stat(path, &status) == 0 && !is_same_file(&status, &verifier->jwks_seen))
		(void)read_set(verifier, NULL); /* tokens of missing keys say so themselves */
}

int jwt_verifier_new(const struct config *config, struct jwt_verifier **ret_verifier,
		     struct error *reterr)
{
	AUTO(jwt_verifier) verifier = calloc(1, sizeof(*verifier));
	int r = 0;

	if (!verifier)
		return error_set(reterr, -ENOMEM, "out_of_memory", "out of memory");
	verifier->config = config;
	if (config->REALTIME_JWT_SECRET && *config->REALTIME_JWT_SECRET)
		r = add_secret(verifier, config->REALTIME_JWT_SECRET, reterr);
	if (r == 0 && *config->REALTIME_JWT_PUBLIC_KEY)
		r = add_pem(verifier, config->REALTIME_JWT_PUBLIC_KEY, reterr);
	if (r == 0 && *config->REALTIME_JWT_JWKS)
		r = read_set(verifier, reterr);
	if (r < 0)
		return r;
	*ret_verifier = STEAL(verifier);
	return 0;
}

struct jwt_verifier *jwt_verifier_free(struct jwt_verifier *verifier)
{
	for (size_t i = 0; verifier && i < verifier->key_count; i++)
		(void)cjose_jwk_release(verifier->keys[i].jwk);
	free(verifier);
	return NULL;
}

/* ---- signatures ---- */

static int bad_token(struct error *reterr, const char *why)
{
	return error_set(reterr, -EKEYREJECTED, "bad_token", "the token %s", why);
}

/* Does `key` do the algorithm that the token names? */
static bool does(const struct key *key, const char *algorithm)
{
	if (*key->algorithm && strcmp(key->algorithm, algorithm) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (strcmp(algorithms[i].name, algorithm) == 0)
			return cjose_jwk_get_kty(key->jwk, NULL) == algorithms[i].type;
	return false;
}

static bool has_kid(const struct jwt_verifier *verifier, const char *kid)
{
	for (size_t i = 0; i < verifier->key_count; i++)
		if (strcmp(verifier->keys[i].kid, kid) == 0)
			return true;
	return false;
}

/* With a key that bears the token's kid, or, if there is none, with any that has no kid. */
static bool is_genuine(const struct jwt_verifier *verifier, cjose_jws_t *jws, const char *algorithm,
		       const char *kid)
{
	const char *wanted = kid && has_kid(verifier, kid) ? kid : "";

	for (size_t i = 0; i < verifier->key_count; i++) {
		const struct key *key = &verifier->keys[i];

		if (kid && strcmp(key->kid, wanted) != 0)
			continue;
		if (does(key, algorithm) && cjose_jws_verify(jws, key->jwk, NULL))
			return true;
	}
	return false;
}

/* The first of the token's parts. Read by us, and strictly: libcjose takes a member that is null, a
 * string or a number for an absent one where it gives it as JSON, and of two with one name the
 * last. */
static int header_of(const char *token, json_t **ret_header, struct error *reterr)
{
	uint8_t *text = NULL;
	size_t length = 0;
	int r = -EINVAL;

	if (cjose_base64url_decode(token, strcspn(token, "."), &text, &length, NULL))
		r = json_object_parse((const char *)text, length, ret_header, NULL);
	free(text);
	return r < 0 ? bad_token(reterr, "is neither a JSON Web Token nor a key of this server")
		     : 0;
}

static int check_signature(const struct jwt_verifier *verifier, const char *token, cjose_jws_t *jws,
			   struct error *reterr)
{
	AUTO_JSON header = NULL;
	const char *algorithm, *kid;
	int r = header_of(token, &header, reterr);

	if (r < 0)
		return r;
	if (json_object_get(header, "crit"))
		return bad_token(reterr, "demands extensions that are not known here");
	algorithm = json_string_value(json_object_get(header, "alg"));
	kid = json_string_value(json_object_get(header, "kid"));
	if (!algorithm || !is_genuine(verifier, jws, algorithm, kid))
		return bad_token(reterr, "is not signed by a key that is trusted here");
	return 0;
}

/* ---- claims ---- */

static bool is_listed(const json_t *audience, const char *wanted)
{
	const json_t *item;
	size_t i;

	if (json_is_string(audience))
		return strcmp(json_string_value(audience), wanted) == 0;
	json_array_foreach ((json_t *)(uintptr_t)audience, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), wanted) == 0)
			return true;
	return false;
}

/* A NumericDate in milliseconds; 0: absent. -EKEYREJECTED if it is something else. */
static int date_get(const json_t *claims, const char *name, int64_t *ret_unix_ms,
		    struct error *reterr)
{
	const json_t *value = json_object_get(claims, name);
	double seconds = json_number_value(value);

	*ret_unix_ms = 0;
	if (!value)
		return 0;
	if (!json_is_number(value) || !(seconds >= 0 && seconds < 1e12))
		return bad_token(reterr, "has a date that is none");
	*ret_unix_ms = (int64_t)(seconds * 1000);
	return 0;
}

static int check_times(const struct config *config, const json_t *claims, int64_t now_unix_ms,
		       struct error *reterr)
{
	int64_t leeway_ms = config->REALTIME_JWT_LEEWAY * 1000, expires_at, not_before;
	int r = date_get(claims, "exp", &expires_at, reterr);

	if (r == 0)
		r = date_get(claims, "nbf", &not_before, reterr);
	if (r < 0)
		return r;
	if (json_object_get(claims, "exp") && now_unix_ms >= expires_at + leeway_ms)
		return error_set(reterr, -EKEYREJECTED, "token_expired", "the token has expired");
	if (now_unix_ms < not_before - leeway_ms)
		return error_set(reterr, -EKEYREJECTED, "token_not_yet_valid",
				 "the token is not valid yet");
	return 0;
}

static int check_parties(const struct config *config, const json_t *claims, struct error *reterr)
{
	const char *issuer = json_string_value(json_object_get(claims, "iss"));

	if (*config->REALTIME_JWT_ISSUER &&
	    (!issuer || strcmp(issuer, config->REALTIME_JWT_ISSUER) != 0))
		return bad_token(reterr, "is of another issuer than the one trusted here");
	if (*config->REALTIME_JWT_AUDIENCE &&
	    !is_listed(json_object_get(claims, "aud"), config->REALTIME_JWT_AUDIENCE))
		return bad_token(reterr, "is meant for somebody else");
	return 0;
}

static int rights_of(const json_t *claims, unsigned *ret_rights, struct error *reterr)
{
	const json_t *roles = json_object_get(claims, "roles"), *role;
	size_t i;

	*ret_rights = RIGHTS_USER;
	if (roles && !json_is_array(roles))
		return bad_token(reterr, "has roles that are no list");
	json_array_foreach ((json_t *)(uintptr_t)roles, i, role) {
		const char *name = json_string_value(role);

		if (name && strcmp(name, "admin") == 0)
			*ret_rights |= RIGHTS_ALL;
		else if (name && strcmp(name, "moderator") == 0)
			*ret_rights |= RIGHT_MODERATE; /* others are somebody else's */
	}
	return 0;
}

static int limit(struct identity *identity, enum grant_scope scope, const json_t *list,
		 struct error *reterr)
{
	int r = list ? identity_limit(identity, scope, list, NULL) : 0;

	return r == -EINVAL ? bad_token(reterr, "has channels or rooms that are no grants") : r;
}

int jwt_claims_identity(const json_t *claims, struct identity **ret_identity, struct error *reterr)
{
	const char *user_id = json_string_value(json_object_get(claims, "sub"));
	const char *name = json_string_value(json_object_get(claims, "name"));
	AUTO(identity) identity = NULL;
	unsigned rights;
	int r;

	if (!user_id)
		user_id = json_string_value(json_object_get(claims, "user_id"));
	if (!user_id || !user_id_is_valid(user_id))
		return bad_token(reterr, "has no sub that could be a user's id");
	r = rights_of(claims, &rights, reterr);
	if (r < 0)
		return r;
	identity = identity_new(user_id, rights);
	if (!identity)
		return -ENOMEM;
	if (name && strlen(name) <= IDENTITY_NAME_MAX && channel_name_is_valid(name, strlen(name)))
		(void)snprintf(identity->name, sizeof(identity->name), "%s", name);
	r = date_get(claims, "exp", &identity->expires_at_unix_ms, reterr);
	if (r == 0)
		r = limit(identity, GRANT_CHANNELS, json_object_get(claims, "channels"), reterr);
	if (r == 0)
		r = limit(identity, GRANT_ROOMS, json_object_get(claims, "rooms"), reterr);
	if (r < 0)
		return r;
	*ret_identity = STEAL(identity);
	return 0;
}

/* ---- tokens ---- */

static int claims_of(cjose_jws_t *jws, json_t **ret_claims, struct error *reterr)
{
	uint8_t *text = NULL;
	size_t length = 0;

	if (!cjose_jws_get_plaintext(jws, &text, &length, NULL) ||
	    json_object_parse((const char *)text, length, ret_claims, NULL) < 0)
		return bad_token(reterr, "has no claims");
	return 0;
}

int jwt_verify(struct jwt_verifier *verifier, const char *token, int64_t now_unix_ms,
	       struct identity **ret_identity, struct error *reterr)
{
	size_t length = strlen(token);
	AUTO_JSON claims = NULL;
	cjose_jws_t *jws;
	int r;

	if (length > JWT_MAX)
		return bad_token(reterr, "is longer than 8192 bytes");
	refresh_set(verifier, now_unix_ms);
	jws = is_compact(token) ? cjose_jws_import(token, length, NULL) : NULL;
	if (!jws)
		return bad_token(reterr, "is neither a JSON Web Token nor a key of this server");
	r = check_signature(verifier, token, jws, reterr);
	if (r == 0)
		r = claims_of(jws, &claims, reterr);
	cjose_jws_release(jws);
	if (r == 0)
		r = check_times(verifier->config, claims, now_unix_ms, reterr);
	if (r == 0)
		r = check_parties(verifier->config, claims, reterr);
	return r < 0 ? r : jwt_claims_identity(claims, ret_identity, reterr);
}

char *jwt_sign(const json_t *claims, const char *secret)
{
	AUTO_FREE char *text = json_dumps(claims, JSON_COMPACT);
	cjose_jwk_t *jwk = cjose_jwk_create_oct_spec((const uint8_t *)secret, strlen(secret), NULL);
	cjose_header_t *header = cjose_header_new(NULL);
	cjose_jws_t *jws = NULL;
	const char *compact = NULL;
	char *token = NULL;

	if (text && jwk && header && cjose_header_set(header, CJOSE_HDR_ALG, "HS256", NULL) &&
	    cjose_header_set(header, "typ", "JWT", NULL))
		jws = cjose_jws_sign(jwk, header, (const uint8_t *)text, strlen(text), NULL);
	if (jws && cjose_jws_export(jws, &compact, NULL))
		token = strdup(compact);
	cjose_jws_release(jws);
	cjose_header_release(header);
	(void)cjose_jwk_release(jwk);
	return token;
}
