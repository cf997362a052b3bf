"""./dev up: run api, realtimed, sfu and the web server on a folder of their own, in the foreground.

The contract is in docs/architecture.md, "./dev". Everything is a child process of this one; logs
are in DATA/log, pids in DATA/run. A process that dies by itself is started again.
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import fronts

ROOT = fronts.ROOT
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
SOCKET_PATH_MAX = 107
API_PORT_OFFSET = 100  # where the API needs a port and not a socket
PR_SET_PDEATHSIG = 1


class Failure(Exception):
    """Something the user can do something about; its text is the one sentence."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev up", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000,
                        help="of the web server; realtimed takes the next, media those after it")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder for everything")
    parser.add_argument("--front", default="nginx",
                        choices=fronts.NAMES, help="the web server")
    parser.add_argument("--gateway", default="fastcgi", choices=["fastcgi", "scgi"])
    parser.add_argument("--listen", action="append", default=[], metavar="ADDRESS",
                        help="listen here (0.0.0.0, [::]) instead of on localhost alone")
    parser.add_argument("--restart-delay", type=float, default=3.0, metavar="SECONDS",
                        help="before a process that died is started again")
    parser.add_argument("--no-restart", action="store_true", help="leave it dead")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release",
                        help="where the programs are")
    parser.add_argument("--check", action="store_true",
                        help="only say whether it could start")
    arguments = parser.parse_args()
    if not 1024 <= arguments.port <= 65000:
        parser.error("--port must be from 1024 to 65000")
    try:
        fronts.check(arguments.front, arguments.gateway)
    except fronts.Unfit as unfit:
        parser.exit(2, f"./dev up: {unfit}\n")
    arguments.data = arguments.data.resolve()
    return arguments


# ---- before the start ----


def check_port(port: int, kind: socket.SocketKind, what: str) -> None:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            protocol = "TCP" if kind == socket.SOCK_STREAM else "UDP"
            raise Failure(f"{protocol} port {port} ({what}) cannot be used: "
                          f"{os.strerror(error.errno)}; choose another --port") from None


def prepare_data(data: Path) -> int:
    """Make the folder and hold it: the lock lasts as long as the returned descriptor."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("run", "log"):
            (data / name).mkdir(exist_ok=True)
        lock = os.open(data / "run" / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{data} cannot be used for data: {error.strerror}; "
                      "choose another --data") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failure(f"{data} is in use by another ./dev up; choose another --data") from None
    if len(str(data / "run" / "realtimed.sock")) > SOCKET_PATH_MAX:
        raise Failure(f"{data} is too long a path for the sockets in it; choose a shorter --data")
    return lock


def check(arguments: argparse.Namespace) -> int:
    lock = prepare_data(arguments.data)
    check_port(arguments.port, socket.SOCK_STREAM, "web server")
    check_port(arguments.port + 1, socket.SOCK_STREAM, "realtimed")
    check_port(arguments.port + 2, socket.SOCK_DGRAM, "media")
    if fronts.needs_tcp(arguments.front):
        check_port(arguments.port + API_PORT_OFFSET, socket.SOCK_STREAM, "realtime-api")
    return lock


def api_address(arguments: argparse.Namespace) -> str:
    if fronts.needs_tcp(arguments.front):
        return f"127.0.0.1:{arguments.port + API_PORT_OFFSET}"
    return f"unix:{arguments.data / 'run' / 'api.sock'}"


def settings(arguments: argparse.Namespace) -> dict[str, str]:
    run = arguments.data / "run"
    defaults = {
        "REALTIME_ANONYMOUS_PUBLISH": "true",
        "WEBRTC_AUTO_CREATE_ROOMS": "true",
        "WEBRTC_ANNOUNCE_LOOPBACK": "true",
        "WEBRTC_UDP_PORT": str(arguments.port + 2),
        "REALTIME_DATABASE": str(arguments.data / "realtime.db"),
        "REALTIME_DATA_DIR": str(arguments.data),
        # nginx alone is told by a header which file to send.
        "REALTIME_FILES_ACCEL": "/realtime-files/" if arguments.front == "nginx" else "",
    }
    wiring = {  # what holds the processes together; not for the environment to change
        "REALTIME_BUS": str(run / "bus.sock"),
        "REALTIME_SFU_CONTROL": str(run / "sfu.sock"),
        "REALTIME_LISTEN": f"127.0.0.1:{arguments.port + 1}",
        "REALTIME_API_LISTEN": f"{arguments.gateway}:{api_address(arguments)}",
    }
    return {**defaults, **os.environ, **wiring}


# ---- processes ----


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One process, its log and its pid file."""

    def __init__(self, name: str, command: list[str], data: Path, env: dict[str, str]) -> None:
        self.name = name
        self.command = command
        self.env = env
        self.log = data / "log" / f"{name}.log"
        self.pid_file = data / "run" / f"{name}.pid"
        self.process: subprocess.Popen[bytes] | None = None
        self.restart_at: float | None = None
        self.log.touch()
        self.read_to = self.log.stat().st_size
        self.started_at = self.read_to

    def start(self) -> None:
        self.restart_at = None
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for us alone, and we stop everybody in order.
            self.process = subprocess.Popen(
                self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, preexec_fn=die_with_parent)
        self.pid_file.write_text(f"{self.process.pid}\n")

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def bury(self) -> None:
        """What a killed one left running (nginx's workers hold its port) goes too."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process = None
        self.pid_file.unlink(missing_ok=True)

    def how_it_died(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    def new_errors(self) -> list[str]:
        """Lines of level error since the last call."""
        with self.log.open("rb") as log:
            log.seek(self.read_to)
            text = log.read()
        whole = text[: text.rfind(b"\n") + 1]
        self.read_to += len(whole)
        return [line for line in whole.decode(errors="replace").splitlines()
                if " error " in line or "AddressSanitizer" in line]

    def last_lines(self, count: int) -> list[str]:
        """Of what it logged since we began."""
        with self.log.open("rb") as log:
            log.seek(self.started_at)
            return log.read().decode(errors="replace").splitlines()[-count:]

    def terminate(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def wait_or_kill(self, deadline: float) -> None:
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            say(f"{self.name} does not stop; killing it")
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers, too
            self.process.wait()
        self.pid_file.unlink(missing_ok=True)


def say(text: str) -> None:
    print(text, flush=True)


class Stopped(Exception):
    """SIGINT or SIGTERM."""


class Stop:
    """Set by a signal, looked at between two steps. An exception out of the handler could fall between
    the taking and the giving back of a lock inside subprocess, and the stop would wait for ever."""

    is_wanted = False


def on_signal(_number: int, _frame: object) -> None:
    Stop.is_wanted = True


def get(url: str, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}),
                                    timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


# ---- the run ----


def make_children(arguments: argparse.Namespace) -> list[Child]:
    env = settings(arguments)
    data, build = arguments.data, arguments.build.resolve()
    site = fronts.Site(data, gateway=arguments.gateway, api=api_address(arguments),
                       realtimed=env["REALTIME_LISTEN"], addresses=arguments.listen,
                       port=arguments.port, body_max="0")  # the API's own limits say
    programs = {
        "realtimed": build / "realtime" / "realtimed",
        "sfu": build / "sfu" / "realtime-sfu",
        "api": build / "api" / "realtime-api",
    }
    for name, path in programs.items():
        if not path.exists():
            raise Failure(f"{path} is missing, so {name} cannot start")
    children = [Child(name, [str(path)], data, env) for name, path in programs.items()]
    return children + [Child(arguments.front, fronts.write(arguments.front, site), data, env)]


def show_errors(children: list[Child]) -> None:
    for child in children:
        for line in child.new_errors():
            say(f"{child.name}: {line}")


def wait_until_ready(arguments: argparse.Namespace, children: list[Child]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    answer = b""
    while time.monotonic() < deadline:
        if Stop.is_wanted:
            raise Stopped
        for child in children:
            if child.has_died():
                reason = child.last_lines(1) or [child.how_it_died()]
                raise Failure(f"{child.name} did not start: {reason[0]}")
        status, answer = get(f"http://localhost:{arguments.port}/health")
        if status == 200 and json.loads(answer).get("status") == "ok":
            return
        time.sleep(0.05)
    for child in children:
        for line in child.last_lines(5):
            say(f"{child.name}: {line}")
    raise Failure(f"/health was not green within {READY_TIMEOUT_S:.0f} s: "
                  f"{answer.decode(errors='replace') or 'no answer'}")


def development_key(arguments: argparse.Namespace, env: dict[str, str]) -> str:
    """The one in DATA/dev-api-key, as long as the database knows it."""
    path = arguments.data / "dev-api-key"
    url = f"http://localhost:{arguments.port}/realtime/webrtc/rooms?limit=1"
    if path.exists():
        key = path.read_text().strip()
        if get(url, {"X-API-Key": key})[0] != 401:
            return key
    program = arguments.build.resolve() / "api" / "realtime-api"
    made = subprocess.run([str(program), "create-api-key", "development"], env=env,
                          capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise Failure(made.stderr.strip())
    path.touch(mode=0o600)
    path.write_text(made.stdout)
    return made.stdout.strip()


def supervise(arguments: argparse.Namespace, children: list[Child]) -> None:
    while not Stop.is_wanted:
        now = time.monotonic()
        for child in children:
            if child.restart_at is not None:
                if now >= child.restart_at:
                    child.start()
                    say(f"{child.name} started again")
            elif child.has_died():
                how = child.how_it_died()
                child.bury()
                if arguments.no_restart:
                    say(f"{child.name} died ({how})")
                    continue
                child.restart_at = now + arguments.restart_delay
                say(f"{child.name} died ({how}); starting it again in "
                    f"{arguments.restart_delay:g} s")
        show_errors(children)
        time.sleep(0.1)


def stop(children: list[Child]) -> None:
    # The web server first, so that nobody is told of processes that are on their way out.
    deadline = time.monotonic() + STOP_TIMEOUT_S
    for child in reversed(children):
        child.terminate()
    for child in reversed(children):
        child.wait_or_kill(deadline)


def up(arguments: argparse.Namespace) -> None:
    lock = check(arguments)
    children: list[Child] = []
    try:
        children = make_children(arguments)
        for child in children:
            child.start()
        wait_until_ready(arguments, children)
        key = development_key(arguments, children[0].env)
        say(f"ready http://localhost:{arguments.port}/")
        say(f"api key {key}")
        supervise(arguments, children)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        stop(children)
        os.close(lock)


def main() -> int:
    arguments = parse_arguments()
    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    try:
        if arguments.check:
            os.close(check(arguments))
        else:
            up(arguments)
    except Failure as failure:
        print(f"./dev up: {failure}", file=sys.stderr)
        return 1
    except Stopped:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
