# Real browsers, and other clients, in a network namespace of their own; one at a time, they need both cores.
foreach(name call clients codecs docs encrypted messaging moderation network overload padding parts simulcast slots svc tcp temporal)
	add_test(NAME browser-${name}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/browser/in-namespace.sh
			node --test --test-concurrency=1 ${CMAKE_CURRENT_SOURCE_DIR}/browser/${name}.test.mjs)
	set_tests_properties(browser-${name} PROPERTIES LABELS browser RUN_SERIAL ON TIMEOUT 300
		ENVIRONMENT "RT_BUILD=${CMAKE_BINARY_DIR}")
endforeach()
set_tests_properties(browser-svc PROPERTIES TIMEOUT 420) # it waits for networks and encoders to settle

# Needs no browser, but the same packages of npm.
add_test(NAME unit-openapi
	COMMAND node --test ${CMAKE_CURRENT_SOURCE_DIR}/browser/openapi.test.mjs)
set_tests_properties(unit-openapi PROPERTIES LABELS unit TIMEOUT 60)
