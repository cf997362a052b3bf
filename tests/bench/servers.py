"""The servers that the messaging benchmarks measure, started on loopback, and the load tools that
measure them (fanout_load.c, answer_load.c), which are told by lines on their standard input when to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
HOUR_S = "3600"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    raise SystemExit(f"nothing listens on port {port}")


class Server:
    """A server under load: what the tools call it, a port, and the processes whose CPU time counts."""

    def __init__(self, kind: str, command: list[str], port: int, env: dict[str, str]) -> None:
        self.kind, self.port = kind, port
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        wait_for_port(port)
        self.pids = str(self.process.pid)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        if children.split():
            self.pids = ",".join(children.split())

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.process.terminate()
        self.process.wait()


def realtimed(build: Path, folder: str, **more: str) -> Server:
    """As it is shipped, but for limits that the load would run into. The tools answer no pings, so
    that they come once an hour."""
    port = free_port()
    settings = {
        "REALTIME_DATABASE": f"{folder}/r.db", "REALTIME_BUS": f"{folder}/bus",
        "REALTIME_LISTEN": f"127.0.0.1:{port}", "REALTIME_ANONYMOUS_PUBLISH": "true",
        "WEBSOCKET_MAX_CONNECTIONS": "20000", "SSE_MAX_CONNECTIONS": "20000",
        "WEBSOCKET_HEARTBEAT_INTERVAL": HOUR_S, "REALTIME_LOG_LEVEL": "warning",
        "REALTIME_MESSAGE_RATE": "0",
        **{name: value for name, value in os.environ.items() if "REALTIME" in name}, **more,
    }
    return Server("realtimed", [str(build / "realtime/realtimed")], port, settings)


def floor(build: Path, length: int) -> Server:
    port = free_port()
    return Server("floor", [str(build / "tests/fanout_floor"), str(port), str(length)], port, {})


def nchan(folder: str) -> Server:
    port = free_port()
    config = Path(folder) / "nchan.conf"
    config.write_text(f"""
load_module {NCHAN};
daemon off; worker_processes 1; pid {folder}/nchan.pid; error_log /dev/null;
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  nchan_shared_memory_size 256M; nchan_message_buffer_length 10;
  keepalive_requests 1000000000; keepalive_timeout 1h;
  server {{
    listen 127.0.0.1:{port};
    location /pub {{ nchan_publisher; nchan_channel_id c; }}
    location /sub {{ nchan_subscriber websocket eventsource; nchan_channel_id c; }}
  }}
}}""")
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    return Server("nchan", [nginx, "-p", folder, "-c", str(config)], port, {})


class Load:
    """A load tool that is connected to a server, and measures when it is asked to."""

    def __init__(self, *command: object) -> None:
        self.process = subprocess.Popen([str(part) for part in command], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Load:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()

    def read(self) -> dict[str, float]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a load tool has failed; its last words are above")
        return json.loads(line)

    def measure(self, *arguments: object) -> dict[str, float]:
        assert self.process.stdin
        print(*arguments, file=self.process.stdin, flush=True)
        return self.read()
