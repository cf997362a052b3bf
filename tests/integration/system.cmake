# The whole system, started as ./dev up does, in a network namespace of its own.
add_test(NAME integration-system
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/browser/in-namespace.sh
		/usr/bin/python3 -m pytest -q -p no:cacheprovider test_system.py
	WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
# Twenty participants who negotiate at random; they take both cores.
add_test(NAME integration-crowd
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/browser/in-namespace.sh
		/usr/bin/python3 -m pytest -q -p no:cacheprovider test_crowd.py
	WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
# It waits most of the time.
add_test(NAME integration-connection_states
	COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/browser/in-namespace.sh
		/usr/bin/python3 -m pytest -q -p no:cacheprovider test_connection_states.py
	WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
set_tests_properties(integration-system integration-crowd integration-connection_states PROPERTIES LABELS integration TIMEOUT 600
	ENVIRONMENT "${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;RT_BUILD=${CMAKE_BINARY_DIR}")
set_tests_properties(integration-crowd PROPERTIES RUN_SERIAL ON)
