rt_find(SRTP2 libsrtp2) # only to be compared with

rt_unit_test(sfu rtp sfu_wire)
rt_unit_test(sfu srtp sfu_wire)
rt_unit_test(sfu srtp_window sfu_wire)
rt_unit_test(sfu srtp_streams sfu_wire)
rt_unit_test(sfu srtp_differential sfu_wire PkgConfig::SRTP2)
