/* free_ports.h - media ports that nobody has, so that tests can run beside each other. Thread: any.
 */
#ifndef TESTS_BENCH_FREE_PORTS_H
#define TESTS_BENCH_FREE_PORTS_H

/* The first of `count` in a row that were free a moment ago, by UDP and by TCP, from below those
 * that the system gives to outgoing connections; 0: none was found. */
unsigned free_ports(unsigned count);

#endif
