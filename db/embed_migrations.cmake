# Write the .sql files, in the order of their numbers, as an array of C strings.
set(text "/* Made from db/migrations by embed_migrations.cmake. */\n#include \"db/migrations.h\"\n\n")
string(APPEND text "const char *const store_migrations[] = {\n")
list(SORT FILES)
foreach(file ${FILES})
	file(READ ${file} sql)
	string(REPLACE "\\" "\\\\" sql "${sql}")
	string(REPLACE "\"" "\\\"" sql "${sql}")
	string(REPLACE "\n" "\\n\"\n\t\"" sql "${sql}")
	string(APPEND text "\t\"${sql}\",\n")
endforeach()
string(APPEND text "};\nconst size_t store_migration_count = "
	"sizeof(store_migrations) / sizeof(store_migrations[0]);\n")
file(WRITE ${OUT} "${text}")
