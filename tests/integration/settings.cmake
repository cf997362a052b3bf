# docs/settings.md ends with the table that realtime-api prints. When core/config_table.h changes,
# replace it with what `realtime-api --print-settings-markdown` says.
add_test(NAME docs-settings COMMAND ${CMAKE_COMMAND}
	-D PROGRAM=$<TARGET_FILE:realtime-api> -D FILE=${CMAKE_SOURCE_DIR}/docs/settings.md
	-P ${CMAKE_CURRENT_SOURCE_DIR}/integration/compare_output.cmake)
set_tests_properties(docs-settings PROPERTIES LABELS integration TIMEOUT 60
	ENVIRONMENT "${RT_TEST_ENV}")
