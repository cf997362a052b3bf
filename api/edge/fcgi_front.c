/* FastCGI by libfcgi: one FCGX_Request a thread, FCGX_Accept_r without a mutex around it (accept()
 * needs none on Linux, and with one an idle kept connection would stall every thread). */
#include <errno.h>
#include <fcgiapp.h>
#include <string.h>
#include <time.h>

#include "api/edge/front.h"
#include "api/router.h"
#include "core/log.h"

static const char *fcgi_variable(void *data, const char *name)
{
	const FCGX_Request *fcgi = data;

	return FCGX_GetParam(name, fcgi->envp);
}

static ssize_t fcgi_read(void *data, void *into, size_t size)
{
	const FCGX_Request *fcgi = data;
	int got = FCGX_GetStr(into, size > INT32_MAX ? INT32_MAX : (int)size, fcgi->in);

	return got == 0 && FCGX_GetError(fcgi->in) != 0 ? -EIO : got;
}

static const struct request_source fcgi_source = {.variable = fcgi_variable, .read = fcgi_read};

/* What of a file goes behind the head. Ends early when the web server has gone, or the file fails:
 * the web server sees that the body is too short. */
static void put_file(struct response *response, FCGX_Stream *out)
{
	AUTO_FREE char *bytes = malloc(FRONT_FILE_BYTES);
	ssize_t got;

	while (bytes && (got = response_read_file(response, bytes, FRONT_FILE_BYTES)) > 0)
		if (FCGX_PutStr(bytes, (int)got, out) < 0)
			return;
}

static void serve(struct front_thread *self, FCGX_Request *fcgi)
{
	struct request request;
	struct response response;
	AUTO_FREE char *bytes = NULL;
	size_t length;
	bool is_drained;

	router_serve(&self->api, &request, &fcgi_source, fcgi, &response);
	/* To the end of the input: libfcgi would take what is left for the next request. */
	is_drained = request_drain(&request, FRONT_DRAIN_MAX);
	if (response_format(&response, false, &bytes, &length) == 0) {
		(void)FCGX_PutStr(bytes, (int)length, fcgi->out); /* a lost peer is noticed next */
		if (response.body && strcmp(request.method, "HEAD") != 0)
			(void)FCGX_PutStr(response.body, (int)response.body_length, fcgi->out);
	}
	if (response.file_fd >= 0 && strcmp(request.method, "HEAD") != 0)
		put_file(&response, fcgi->out);
	FCGX_Finish_r(fcgi);
	if (!is_drained)
		FCGX_Free(fcgi, 1);
	response_fini(&response);
	request_fini(&request);
}

int fcgi_front_init(void)
{
	return FCGX_Init() == 0 ? 0 : -EIO;
}

void fcgi_front_shut_down(void)
{
	FCGX_ShutdownPending();
}

void fcgi_front_run(struct front_thread *self)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000000L};
	FCGX_Request fcgi;

	if (FCGX_InitRequest(&fcgi, self->listener->fd, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
		LOG(LOG_ERROR, LOG_MAIN, "fastcgi_init_failed");
		return;
	}
	while (!*self->is_stopping) {
		bool was_kept = fcgi.ipcFd >= 0;
		int r = FCGX_Accept_r(&fcgi);

		if (r < 0) {
			if (*self->is_stopping)
				break;
			/* No descriptors left, or a peer that speaks something else. */
			LOG(LOG_WARNING, LOG_MAIN, "fastcgi_accept_failed", LOG_INT("number", r));
			(void)nanosleep(&pause, NULL);
			continue;
		}
		self->is_busy = true;
		/* libfcgi has no time-outs of its own, so its socket gets them. */
		if (was_kept && fcgi.ipcFd == self->idle_fd)
			front_set_read_timeout(fcgi.ipcFd, FRONT_READ_TIMEOUT_S);
		else
			front_set_timeouts(fcgi.ipcFd);
		self->idle_fd = fcgi.ipcFd;
		serve(self, &fcgi);
		if (fcgi.ipcFd >= 0)
			front_set_read_timeout(fcgi.ipcFd, FRONT_IDLE_TIMEOUT_S);
		self->idle_fd = fcgi.ipcFd;
		self->is_busy = false;
	}
	FCGX_Free(&fcgi, 1);
}
