/* migrations.h - the .sql files of db/migrations, built in. Migration number i+1 is at index i; the
 * number of the last one applied is the file's user_version. */
#ifndef DB_MIGRATIONS_H
#define DB_MIGRATIONS_H

#include <stddef.h>

extern const char *const store_migrations[];
extern const size_t store_migration_count;

#endif
