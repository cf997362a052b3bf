rt_unit_test(sfu rtp sfu_wire)
