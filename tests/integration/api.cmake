# realtime-api behind a web server, with the other processes played.
rt_python_tests("REALTIME_API=$<TARGET_FILE:realtime-api>"
	admin_sql api_process dev_up rest rest_notifications store_failures)
