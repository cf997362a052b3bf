# What the pages' scripts do without a browser.
foreach(name realtime page)
	add_test(NAME unit-www-${name}
		COMMAND node --test ${CMAKE_CURRENT_SOURCE_DIR}/unit/www/${name}.test.mjs)
	set_tests_properties(unit-www-${name} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
