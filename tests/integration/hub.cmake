# realtimed alone.
rt_python_tests("REALTIMED=$<TARGET_FILE:realtimed>"
	binary channels chat connecting daemon durability namespaces notifications operations python_client
	python_client_fake python_client_http python_client_losses python_client_resuming signaling)
