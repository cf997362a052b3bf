# Real browsers, and other clients, in a network namespace of their own. One at a time; those that encode
# pictures need both cores, beside those that only show pages another test can run.
set(pages clients docs messaging)
foreach(name call clients codecs devices docs encrypted messaging moderation network overload padding parts simulcast slots svc tcp temporal)
	add_test(NAME browser-${name}
		COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/browser/in-namespace.sh
			node --test --test-concurrency=1 ${CMAKE_CURRENT_SOURCE_DIR}/browser/${name}.test.mjs)
	set_tests_properties(browser-${name} PROPERTIES LABELS browser TIMEOUT 300 RESOURCE_LOCK browsers
		ENVIRONMENT "RT_BUILD=${CMAKE_BINARY_DIR}")
	if(NOT name IN_LIST pages)
		set_tests_properties(browser-${name} PROPERTIES RUN_SERIAL ON)
	endif()
endforeach()
set_tests_properties(browser-svc PROPERTIES TIMEOUT 420) # it waits for networks and encoders to settle

# Needs no browser, but the same packages of npm.
add_test(NAME unit-openapi
	COMMAND node --test ${CMAKE_CURRENT_SOURCE_DIR}/browser/openapi.test.mjs)
set_tests_properties(unit-openapi PROPERTIES LABELS unit TIMEOUT 60)
