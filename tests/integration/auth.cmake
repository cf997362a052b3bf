# Who may do what, over the API and realtimed together, behind nginx.
add_test(NAME integration-auth
	COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_auth.py
	WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
set_tests_properties(integration-auth PROPERTIES LABELS integration TIMEOUT 120 ENVIRONMENT
	"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIMED=$<TARGET_FILE:realtimed>;REALTIME_API=$<TARGET_FILE:realtime-api>")
