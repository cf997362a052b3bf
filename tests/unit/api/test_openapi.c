/* The OpenAPI document and the router's table say the same, in both directions. */
#include "api/openapi.h"

#include <stdio.h>
#include <string.h>

#include "api/router.h"
#include "tests/unit/cmocka_all.h"

static json_t *document;
static const struct route *routes;
static size_t route_count;

static int start(void **state)
{
	(void)state;
	document = json_loadb(openapi_document, openapi_length, JSON_REJECT_DUPLICATES, NULL);
	routes = router_routes(&route_count);
	return document ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	json_decref(document);
	return 0;
}

static void to_lower(const char *text, char *out, size_t size)
{
	size_t length = strlen(text);

	assert_in_range(length, 1, size - 1);
	for (size_t i = 0; i <= length; i++)
		out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
}

static const char *access_name(enum access access)
{
	switch (access) {
	case ACCESS_PUBLIC:
		return "public";
	case ACCESS_READ:
		return "read";
	case ACCESS_PUBLISH:
		return "publish";
	case ACCESS_ADMIN:
		return "admin";
	}
	return "";
}

static json_t *find_operation(const struct route *route)
{
	json_t *item = json_object_get(json_object_get(document, "paths"), route->pattern);
	char method[16];

	to_lower(route->method, method, sizeof(method));
	return json_object_get(item, method);
}

static const struct route *find_route(const char *path, const char *method)
{
	char lower[16];

	for (size_t i = 0; i < route_count; i++) {
		to_lower(routes[i].method, lower, sizeof(lower));
		if (strcmp(routes[i].pattern, path) == 0 && strcmp(lower, method) == 0)
			return &routes[i];
	}
	return NULL;
}

/* What "$ref": "#/components/…" stands for. */
static json_t *resolve(json_t *value)
{
	const char *reference = json_string_value(json_object_get(value, "$ref"));
	char kind[32], name[64];

	if (!reference)
		return value;
	assert_int_equal(sscanf(reference, "#/components/%31[^/]/%63s", kind, name), 2);
	value = json_object_get(json_object_get(json_object_get(document, "components"), kind),
				name);
	assert_non_null(value);
	return value;
}

static bool has_parameter(const json_t *operation, const char *name, const char *in)
{
	json_t *parameter;
	size_t i;

	json_array_foreach (json_object_get(operation, "parameters"), i, parameter) {
		json_t *found = resolve(parameter);

		if (strcmp(json_string_value(json_object_get(found, "name")), name) == 0 &&
		    strcmp(json_string_value(json_object_get(found, "in")), in) == 0)
			return true;
	}
	return false;
}

static void every_route_has_an_operation_of_the_same_access(void **state)
{
	(void)state;
	assert_in_range(route_count, 40, 1000);
	for (size_t i = 0; i < route_count; i++) {
		const struct route *route = &routes[i];
		const json_t *operation = find_operation(route);
		const char *access = json_string_value(json_object_get(operation, "x-access"));

		if (!operation)
			fail_msg("api/openapi lacks %s %s", route->method, route->pattern);
		if (!access || strcmp(access, access_name(route->access)) != 0)
			fail_msg("%s %s is %s to the router and %s in api/openapi", route->method,
				 route->pattern, access_name(route->access),
				 access ? access : "nothing");
	}
}

static void every_operation_has_a_route_or_another_server(void **state)
{
	const char *path, *method;
	json_t *item, *operation;

	(void)state;
	json_object_foreach (json_object_get(document, "paths"), path, item) {
		json_object_foreach (item, method, operation) {
			bool is_ours = !json_object_get(operation, "x-served-by");

			if (is_ours != (find_route(path, method) != NULL))
				fail_msg("%s %s is %s", method, path,
					 is_ours ? "in api/openapi and not in the router"
						 : "the router's, and said to be another's");
		}
	}
}

static void every_placeholder_is_a_parameter(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		const json_t *operation = find_operation(&routes[i]);
		const char *at = routes[i].pattern;
		char name[32];

		while ((at = strchr(at, '{'))) {
			assert_int_equal(sscanf(++at, "%31[^}]", name), 1);
			if (!has_parameter(operation, name, "path"))
				fail_msg("%s %s does not describe {%s}", routes[i].method,
					 routes[i].pattern, name);
		}
	}
}

/* {}: nothing needs to be shown. A role: the right that is needed by itself. */
static void security_is_what_the_access_class_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < route_count; i++) {
		json_t *security = json_object_get(find_operation(&routes[i]), "security"), *one;
		const char *scheme;
		bool takes_nothing = false, is_for_admins = json_array_size(security) > 0;
		json_t *roles;
		size_t j;

		json_array_foreach (security, j, one) {
			takes_nothing |= json_object_size(one) == 0;
			json_object_foreach (one, scheme, roles)
				is_for_admins &= json_array_size(roles) == 1 &&
						 strcmp(json_string_value(json_array_get(roles, 0)),
							"admin") == 0;
		}
		assert_int_equal(takes_nothing, routes[i].access == ACCESS_PUBLIC ||
							routes[i].access == ACCESS_READ);
		assert_int_equal(is_for_admins && !takes_nothing, routes[i].access == ACCESS_ADMIN);
	}
}

static void names_of_operations_are_unique(void **state)
{
	const char *path, *method;
	json_t *item, *operation, *names = json_object();

	(void)state;
	json_object_foreach (json_object_get(document, "paths"), path, item) {
		json_object_foreach (item, method, operation) {
			const char *name =
				json_string_value(json_object_get(operation, "operationId"));

			assert_non_null(name);
			if (json_object_get(names, name))
				fail_msg("two operations are called %s", name);
			(void)json_object_set_new(names, name, json_true());
		}
	}
	json_decref(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_an_operation_of_the_same_access),
		cmocka_unit_test(every_operation_has_a_route_or_another_server),
		cmocka_unit_test(every_placeholder_is_a_parameter),
		cmocka_unit_test(security_is_what_the_access_class_says),
		cmocka_unit_test(names_of_operations_are_unique),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
