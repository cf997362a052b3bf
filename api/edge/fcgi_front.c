/* FastCGI by libfcgi: one FCGX_Request a thread. It is given each connection that we accept, and no
 * listening socket: so it says when a kept connection has ended, and what is new has its time-outs
 * before the first byte is read. */
#include <errno.h>
#include <fcgiapp.h>
#include <string.h>

#include "api/edge/front.h"
#include "api/router.h"
#include "core/log.h"

static const char *fcgi_variable(void *data, const char *name)
{
	const FCGX_Request *fcgi = data;

	return FCGX_GetParam(name, fcgi->envp);
}

/* What is there. FCGX_GetStr() alone would wait until `size` bytes are, however slowly they come.
 */
static ssize_t fcgi_read(void *data, void *into, size_t size)
{
	FCGX_Stream *in = ((const FCGX_Request *)data)->in;
	int first = size > 0 ? FCGX_GetChar(in) : EOF;
	size_t more;

	if (first == EOF)
		return FCGX_GetError(in) != 0 ? -EIO : 0;
	*(char *)into = (char)first;
	more = (size_t)(in->stop - in->rdNext);
	if (more > size - 1)
		more = size - 1;
	return 1 + FCGX_GetStr((char *)into + 1, (int)more, in);
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

/* Without a length too, unless it is of a kind that has none: a body may come in chunks. */
static bool may_have_body(const FCGX_Request *fcgi)
{
	const char *method = FCGX_GetParam("REQUEST_METHOD", fcgi->envp);
	const char *length = FCGX_GetParam("CONTENT_LENGTH", fcgi->envp);

	if (length && *length)
		return strcmp(length, "0") != 0;
	return !method || (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0);
}

void fcgi_front_run(struct front_thread *self)
{
	FCGX_Request fcgi;

	if (FCGX_InitRequest(&fcgi, -1, 0) != 0) {
		LOG(LOG_ERROR, LOG_MAIN, "fastcgi_init_failed");
		return;
	}
	while (!*self->is_stopping) {
		bool has_body;

		if (fcgi.ipcFd < 0) {
			fcgi.ipcFd = front_accept(self, FRONT_IDLE_TIMEOUT_S);
			fcgi.keepConnection = 1; /* till the first request says; 0: close it */
		}
		if (fcgi.ipcFd < 0 || FCGX_Accept_r(&fcgi) < 0) {
			self->idle_fd = -1; /* it has ended, or spoke something else */
			continue;
		}
		self->is_busy = true;
		/* libfcgi has no time-outs of its own: its socket's are all there is. */
		has_body = may_have_body(&fcgi);
		if (has_body)
			front_set_read_timeout(fcgi.ipcFd, FRONT_READ_TIMEOUT_S);
		serve(self, &fcgi);
		if (has_body && fcgi.ipcFd >= 0)
			front_set_read_timeout(fcgi.ipcFd, FRONT_IDLE_TIMEOUT_S);
		self->idle_fd = fcgi.ipcFd;
		self->is_busy = false;
	}
	FCGX_Free(&fcgi, 1);
}
