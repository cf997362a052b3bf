# The Python client towards realtimed and the API together, behind nginx.
add_test(NAME integration-python_client_system
	COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_python_client_system.py
	WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
set_tests_properties(integration-python_client_system PROPERTIES LABELS integration TIMEOUT 120
	ENVIRONMENT
	"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIMED=$<TARGET_FILE:realtimed>;REALTIME_API=$<TARGET_FILE:realtime-api>")
