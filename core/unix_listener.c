#include "core/unix_listener.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static bool somebody_listens(const struct sockaddr_un *address)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: a full backlog, so somebody is there. */
	return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
			   errno == EAGAIN);
}

int unix_listener_open(const char *path, struct error *reterr)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat found;
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(reterr, -ENAMETOOLONG, "bad_setting",
				 "%s is too long for a socket: at most %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &found) == 0 && !S_ISSOCK(found.st_mode))
		return error_set(reterr, -EEXIST, "bad_setting",
				 "%s is there and not a socket: it is left alone", path);
	if (somebody_listens(&address))
		return error_set(reterr, -EADDRINUSE, "socket_taken",
				 "another process already listens on %s", path);
	(void)unlink(path); /* if it stays, bind says so */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0660) < 0 || listen(fd, 128) < 0) {
		r = -errno;
		if (fd >= 0)
			(void)close(fd);
		return error_set(reterr, r, "socket_failed", "cannot listen on %s: %s", path,
				 strerror(-r));
	}
	return fd;
}
