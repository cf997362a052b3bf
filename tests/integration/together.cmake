# realtimed and the API together, behind a web server.
rt_python_tests("REALTIMED=$<TARGET_FILE:realtimed>;REALTIME_API=$<TARGET_FILE:realtime-api>"
	attacks auth contract doors file_failures files fronts idempotency lists metrics moderation
	python_client_system request_ids search tus tus_client webhooks)

rt_python_tests("REALTIMED=$<TARGET_FILE:realtimed>;REALTIMECTL=$<TARGET_FILE:realtimectl>"
	migrations realtimectl)
