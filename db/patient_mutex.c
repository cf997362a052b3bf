#include "db/patient_mutex.h"

#include <pthread.h>
#include <sqlite3.h>

enum { TRIES = 100 }; /* some microseconds: what a lock of the file takes, which is done within */

static sqlite3_mutex_methods plain;

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static void enter(sqlite3_mutex *mutex)
{
	for (int i = 0; i < TRIES; i++) {
		if (plain.xMutexTry(mutex) == SQLITE_OK)
			return;
		pause_briefly();
	}
	plain.xMutexEnter(mutex);
}

static void install(void)
{
	sqlite3_mutex_methods patient;

	/* SQLite chooses its own when it starts, and tells and takes them only while it is stopped;
	 * which this finds out. */
	if (sqlite3_config(SQLITE_CONFIG_GETMUTEX, &plain) != SQLITE_OK ||
	    sqlite3_initialize() != SQLITE_OK || sqlite3_shutdown() != SQLITE_OK ||
	    sqlite3_config(SQLITE_CONFIG_GETMUTEX, &plain) != SQLITE_OK || !plain.xMutexTry)
		return;
	patient = plain;
	patient.xMutexEnter = enter;
	(void)sqlite3_config(SQLITE_CONFIG_MUTEX, &patient);
}

void patient_mutex_install(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, install);
}
