# Debian's python3 by its path: another may come first in PATH, without pytest.
foreach(name rest rest_notifications api_process dev_up admin_sql store_failures)
	add_test(NAME integration-${name}
		COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_${name}.py
		WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
	set_tests_properties(integration-${name} PROPERTIES LABELS integration TIMEOUT 300 ENVIRONMENT
		"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIME_API=$<TARGET_FILE:realtime-api>")
endforeach()
