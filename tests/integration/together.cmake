# realtimed and the API together, behind a web server.
foreach(name attacks auth contract doors file_failures files fronts idempotency lists moderation python_client_system request_ids search tus tus_client webhooks)
	add_test(NAME integration-${name}
		COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_${name}.py
		WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
	set_tests_properties(integration-${name} PROPERTIES LABELS integration TIMEOUT 300 ENVIRONMENT
		"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIMED=$<TARGET_FILE:realtimed>;REALTIME_API=$<TARGET_FILE:realtime-api>")
endforeach()

foreach(name realtimectl migrations)
	add_test(NAME integration-${name}
		COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_${name}.py
		WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
	set_tests_properties(integration-${name} PROPERTIES LABELS integration TIMEOUT 120 ENVIRONMENT
		"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIMED=$<TARGET_FILE:realtimed>;REALTIMECTL=$<TARGET_FILE:realtimectl>")
endforeach()
