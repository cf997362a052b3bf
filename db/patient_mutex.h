/* patient_mutex.h - SQLite's mutexes, tried for a moment before one sleeps for them.
 *
 * Every read of a database takes a mutex that all connections of the process share, for less time
 * than going to sleep and being woken takes.
 */
#ifndef DB_PATIENT_MUTEX_H
#define DB_PATIENT_MUTEX_H

/* Before the first database of the process is opened; again does nothing. Any thread. Should SQLite
 * be running already, its mutexes stay what they are. */
void patient_mutex_install(void);

#endif
