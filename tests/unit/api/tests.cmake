rt_unit_test(api scgi api_wire)
rt_unit_test(api uri api_wire)
rt_unit_test(api router api_handlers)
rt_unit_test(api room_etag api_handlers)
