# To be compared with, and to play the client; imported targets are known in their own folder only.
rt_find(SRTP2 libsrtp2)
rt_find(NICE nice)

rt_unit_test(sfu rtp sfu_wire)
rt_unit_test(sfu srtp sfu_wire)
rt_unit_test(sfu srtp_window sfu_wire)
rt_unit_test(sfu srtp_streams sfu_wire)
rt_unit_test(sfu srtp_differential sfu_wire PkgConfig::SRTP2)
rt_unit_test(sfu stun sfu_wire PkgConfig::NICE)
rt_unit_test(sfu rtcp sfu_wire)
rt_unit_test(sfu rtcp_transport_feedback sfu_wire)
rt_unit_test(sfu sdp sfu_wire)
target_compile_definitions(test_sfu_sdp PRIVATE RT_FIXTURES="${CMAKE_SOURCE_DIR}/tests/fixtures")
