# realtime-sfu as a publisher and a viewer see it.
add_library(relay_pair STATIC integration/relay/pair.c integration/relay/heard.c integration/relay/layered.c
	integration/relay/film.c integration/relay/film_descriptor.c integration/relay/film_dependencies.c
	integration/relay/critic.c
	integration/relay/viewer.c integration/relay/ordeal.c)
target_link_libraries(relay_pair PUBLIC load_peer PkgConfig::CMOCKA)
# What follows the program's name is for it.
function(rt_relay_test name program)
	add_test(NAME integration-relay_${name} COMMAND test_relay_${program} ${ARGN})
	# GLib is not built for TSan, which would take its slices for races.
	set_tests_properties(integration-relay_${name} PROPERTIES LABELS integration TIMEOUT 180
		ENVIRONMENT
		"${RT_TEST_ENV};G_SLICE=always-malloc;TSAN_OPTIONS=exitcode=66;REALTIME_SFU=$<TARGET_FILE:realtime-sfu>")
endfunction()
foreach(name packets attacks addresses sound probes feedback statistics parts overload track_ids simulcast paths announced slots repeats decodable decodable_slots)
	add_executable(test_relay_${name} integration/relay/test_${name}.c)
	target_link_libraries(test_relay_${name} PRIVATE relay_pair)
	rt_relay_test(${name} ${name})
endforeach()
foreach(film vp9 vp9_svc av1 av1_svc)
	rt_relay_test(decodable_${film} decodable ${film})
endforeach()
