rt_unit_test(core bus core)
rt_unit_test(core config core)
rt_unit_test(core id core)
