# cmake -D PROGRAM=… -D FILE=… -P: fail when the file does not end with what the program prints.
execute_process(COMMAND ${PROGRAM} --print-settings-markdown OUTPUT_VARIABLE printed
	RESULT_VARIABLE result)
file(READ ${FILE} kept)
string(LENGTH "${printed}" printed_length)
string(LENGTH "${kept}" kept_length)
string(FIND "${kept}" "${printed}" at REVERSE)
math(EXPR end "${at} + ${printed_length}")
if(NOT result EQUAL 0 OR printed_length EQUAL 0 OR at LESS 0 OR NOT end EQUAL kept_length)
	message(FATAL_ERROR "${FILE} does not end with the table that ${PROGRAM} "
		"--print-settings-markdown prints")
endif()
