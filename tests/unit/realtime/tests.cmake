add_library(fake_store STATIC unit/realtime/fake_store.c)
target_link_libraries(fake_store PUBLIC realtime_model)
rt_unit_test(realtime session fake_store)
rt_unit_test(realtime hub fake_store)
