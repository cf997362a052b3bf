/* Any bytes as a token, against keys of every type; and, since no fuzzer can sign, any JSON as the
 * claims of a token that we sign. The first byte says which. Nobody gets in by the former, and who
 * gets in by the latter fits and stays who it is when handed on. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/json.h"
#include "core/jwt.h"

static const char secret[] = "0123456789abcdef0123456789abcdef";
static const int64_t now_ms = 1700000000000;
/* The public keys of RFC 7515 appendix A.2 and A.3. */
static const char key_set[] = "{\"keys\":[{\"kty\":\"RSA\",\"n\":"
			      "\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmf"
			      "HQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_"
			      "YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OM"
			      "g0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-"
			      "UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9"
			      "kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_"
			      "h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":"
			      "\"AQAB\"},{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
			      "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct jwt_verifier *make_verifier(void)
{
	char path[] = "/tmp/fuzz_jwt_XXXXXX";
	struct jwt_verifier *verifier = NULL;
	struct config *config = NULL;
	int fd = mkstemp(path);
	int r = setenv("REALTIME_CONFIG", "/dev/null", 1);

	assert(fd >= 0 && write(fd, key_set, sizeof(key_set) - 1) > 0 && close(fd) == 0);
	r |= setenv("REALTIME_JWT_SECRET", secret, 1) | setenv("REALTIME_JWT_JWKS", path, 1);
	assert(r == 0 && config_load(&config, NULL) == 0);
	r = jwt_verifier_new(config, &verifier, NULL); /* both stay for all inputs */
	assert(r == 0 && unlink(path) == 0);
	return verifier;
}

static void check(const struct identity *identity)
{
	AUTO_JSON body = identity_to_json(identity);
	AUTO(identity) copy = NULL;

	assert(*identity->user_id && strlen(identity->user_id) <= IDENTITY_USER_ID_MAX);
	assert(body && identity_from_json(body, &copy) == 0);
	assert(strcmp(copy->user_id, identity->user_id) == 0 && copy->rights == identity->rights);
	for (size_t scope = 0; scope < GRANT_SCOPE_COUNT; scope++) {
		assert(identity->grants[scope].count <= IDENTITY_GRANTS_MAX);
		assert(copy->grants[scope].count == identity->grants[scope].count);
		assert(copy->grants[scope].is_limited == identity->grants[scope].is_limited);
	}
	(void)identity_may(identity, RIGHT_PUBLISH, GRANT_CHANNELS, "chat_*");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct jwt_verifier *verifier;
	AUTO(identity) identity = NULL;
	AUTO_JSON claims = NULL;
	AUTO_FREE char *text = NULL;
	struct error error = {0};
	int r;

	if (!verifier)
		verifier = make_verifier();
	if (size == 0)
		return 0;
	if (data[0] == 'c') {
		if (json_object_parse((const char *)data + 1, size - 1, &claims, NULL) < 0)
			return 0;
		text = jwt_sign(claims, secret);
		assert(text);
	} else {
		text = strndup((const char *)data + 1, size - 1);
		assert(text);
	}
	r = jwt_verify(verifier, text, now_ms, &identity, &error);
	assert(r == 0 || (r == -EKEYREJECTED && *error.code && *error.message));
	assert(r < 0 || (identity && data[0] == 'c'));
	if (r == 0)
		check(identity);
	return 0;
}
