# Integration tests of realtimed alone: Debian's python3 with pytest and websockets.
foreach(name chat signaling)
	if(NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/integration/test_${name}.py)
		continue()
	endif()
	add_test(NAME integration-${name} COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider
		${CMAKE_CURRENT_SOURCE_DIR}/integration/test_${name}.py)
	set_tests_properties(integration-${name} PROPERTIES LABELS integration TIMEOUT 300
		ENVIRONMENT "${RT_TEST_ENV};REALTIMED=$<TARGET_FILE:realtimed>;PYTHONDONTWRITEBYTECODE=1")
endforeach()
