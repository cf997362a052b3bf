# Integration tests of realtimed alone: Debian's python3 with pytest and websockets.
foreach(name chat connecting daemon binary channels durability namespaces notifications operations signaling python_client
		python_client_losses python_client_resuming python_client_fake python_client_http)
	add_test(NAME integration-${name}
		COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider test_${name}.py
		WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/integration)
	set_tests_properties(integration-${name} PROPERTIES LABELS integration TIMEOUT 300 ENVIRONMENT
		"${RT_TEST_ENV};PYTHONDONTWRITEBYTECODE=1;REALTIMED=$<TARGET_FILE:realtimed>")
endforeach()
