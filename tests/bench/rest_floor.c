/* rest_floor.c - the least that an answer by FastCGI costs: libfcgi alone, which says hello.
 *
 *   rest_floor SOCKET THREADS BYTES
 *
 * Threads accept as realtime-api's do; the answer has BYTES of body. Serves until it is killed.
 */
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int listener;
static char *answer;
static int answer_length;

static void *serve(void *data)
{
	FCGX_Request request;

	(void)data;
	if (FCGX_InitRequest(&request, listener, 0) != 0)
		exit(1);
	while (FCGX_Accept_r(&request) == 0) {
		(void)FCGX_PutStr(answer, answer_length, request.out);
		FCGX_Finish_r(&request);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	size_t body = argc == 4 ? (size_t)atol(argv[3]) : 0;
	long threads = argc == 4 ? atol(argv[2]) : 0;

	if (threads < 1 || body < 1)
		return 2;
	(void)signal(SIGPIPE, SIG_IGN);
	answer = malloc(body + 256);
	if (!answer || FCGX_Init() != 0)
		return 1;
	answer_length = sprintf(answer,
				"Status: 200 OK\r\nContent-Type: application/json\r\n"
				"Content-Length: %zu\r\n\r\n",
				body);
	memset(answer + answer_length, ' ', body);
	answer[answer_length] = '{';
	answer[answer_length + (int)body - 1] = '}';
	answer_length += (int)body;
	listener = FCGX_OpenSocket(argv[1], 1024);
	if (listener < 0)
		return 1;
	for (long i = 0; i < threads; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, NULL) != 0)
			return 1;
	}
	for (;;)
		(void)pause();
}
