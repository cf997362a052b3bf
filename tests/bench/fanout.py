#!/usr/bin/python3
"""Fan-out: what one delivery costs realtimed, beside nchan and beside a floor, a bare epoll loop that
writes bytes made before by one send() for each subscriber and message.

    tests/bench/fanout.py [PATH/realtime-sfu] [--quick] [--subscribers N,N] [--seconds S]

CPU is the server's user and system time. Each row is taken three times in turn with its floor and
its peer; what is printed is the median, and ratios are of the same turn. The machine's other work
shows in all of them alike. fanout_load.c is subscribers and publishers, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RATE = 20000  # deliveries a second, where the rate is fixed
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


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
    """A server under load: a name for fanout_load, a port, and whose CPU time counts."""

    def __init__(self, kind: str, command: list[str], port: int, env: dict[str, str]) -> None:
        self.kind, self.port = kind, port
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        wait_for_port(port)
        self.pids = str(self.process.pid)
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        if children.split():
            self.pids = ",".join(children.split())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def start_realtimed(build: Path, folder: str, **more: str) -> Server:
    port = free_port()
    settings = {
        "REALTIME_DATABASE": f"{folder}/r.db", "REALTIME_BUS": f"{folder}/bus",
        "REALTIME_LISTEN": f"127.0.0.1:{port}", "REALTIME_ANONYMOUS_PUBLISH": "true",
        "WEBSOCKET_MAX_CONNECTIONS": "20000", "SSE_MAX_CONNECTIONS": "20000",
        "REALTIME_LOG_LEVEL": "warning", "REALTIME_MESSAGE_RATE": "0", **{k: v for k, v in os.environ.items() if "REALTIME" in k},
        **more,
    }
    return Server("realtimed", [str(build / "realtime/realtimed")], port, settings)


def start_floor(build: Path, length: int) -> Server:
    port = free_port()
    return Server("floor", [str(build / "tests/fanout_load"), "floor", str(port), str(length)], port, {})


def start_nchan(folder: str) -> Server | None:
    if not NCHAN.exists():
        return None
    port = free_port()
    config = Path(folder) / f"nchan-{port}.conf"
    config.write_text(f"""
load_module {NCHAN};
daemon off; worker_processes 1; pid {folder}/nchan.pid; error_log /dev/null;
worker_rlimit_nofile 20000;
events {{ worker_connections 20000; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  nchan_shared_memory_size 256M; nchan_message_buffer_length 10;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port};
    location /pub {{ nchan_publisher; nchan_channel_id c; }}
    location /sub {{ nchan_subscriber websocket eventsource; nchan_channel_id c; }}
  }}
}}""")
    return Server("nchan", [shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", str(config)], port, {})


def run_load(build: Path, server: Server, form: str, subscribers: int, size: int, rate: float,
             seconds: float, publishers: int) -> dict:
    out = subprocess.run(
        [build / "tests/fanout_load", "load", server.kind, str(server.port), server.pids, form,
         str(subscribers), str(size), str(rate), str(seconds), str(publishers)],
        stdout=subprocess.PIPE, check=True, text=True).stdout
    result = json.loads(out)
    if result["lost"] or result["disorder"]:
        print(f"  {server.kind}: {result['lost']} lost, {result['disorder']} out of order")
    return result


def frame_length(form: str, size: int) -> int:
    """Of our message with `size` bytes of data: the floor sends as many."""
    json_bytes = 172 + size
    return json_bytes + (4 if form == "ws" else 45)


def row(build: Path, form: str, subscribers: int, size: int, is_saturated: bool, seconds: float,
        turns: int) -> None:
    rate, publishers = (0, 4) if is_saturated else (RATE / subscribers, 1)
    ours, floors, peers = [], [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            for start, results in ((lambda: start_floor(build, frame_length(form, size)), floors),
                                   (lambda: start_realtimed(build, folder), ours),
                                   (lambda: start_nchan(folder), peers)):
                server = start()
                if server:
                    try:
                        results.append(run_load(build, server, form, subscribers, size, rate,
                                                seconds, publishers))
                    finally:
                        server.stop()

    def middle(results: list[dict], name: str) -> float:
        return statistics.median(result[name] for result in results) if results else float("nan")

    ratio = statistics.median(our["us"] / bare["us"] for our, bare in zip(ours, floors))
    peer = statistics.median(p["us"] / bare["us"] for p, bare in zip(peers, floors)) if peers else float("nan")
    print(f"| {form} | {subscribers} | {size} | {'4 publishers' if is_saturated else f'{RATE}/s'} "
          f"| {middle(ours, 'us'):.2f} | {middle(floors, 'us'):.2f} | {ratio:.2f} | {peer:.2f} "
          f"| {middle(ours, 'per_second'):.0f} | {middle(peers, 'per_second'):.0f} "
          f"| {middle(ours, 'p50_ms'):.2f} / {middle(ours, 'p99_ms'):.2f} "
          f"| {middle(peers, 'p50_ms'):.2f} / {middle(peers, 'p99_ms'):.2f} "
          f"| {middle(ours, 'kib'):.1f} | {middle(peers, 'kib'):.1f} |", flush=True)


def echo(build: Path, seconds: float, turns: int) -> None:
    results: dict[int, list[float]] = {50: [], 5000: []}
    for _ in range(turns):
        for connections in results:
            with tempfile.TemporaryDirectory() as folder:
                server = start_realtimed(build, folder)
                try:
                    out = subprocess.run(
                        [build / "tests/fanout_load", "echo", str(server.port), server.pids,
                         str(connections), "50", str(seconds)],
                        stdout=subprocess.PIPE, check=True, text=True).stdout
                    results[connections].append(json.loads(out)["us"])
                finally:
                    server.stop()
    few, many = (statistics.median(results[n]) for n in (50, 5000))
    print(f"\nPing and pong, 50 busy connections: {few:.2f} us of 50, {many:.2f} us of 5000 "
          f"({many / few:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sfu", nargs="?", help="a program of the build to measure")
    parser.add_argument("--quick", action="store_true", help="one turn, 1,000 subscribers, 128 B")
    parser.add_argument("--subscribers", default="1000,5000")
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    build = Path(options.sfu).resolve().parents[1] if options.sfu else ROOT / "build/release"
    counts = [int(n) for n in options.subscribers.split(",")]
    turns = 1 if options.quick else 3
    if not NCHAN.exists():
        print("nchan is not here (libnginx-mod-nchan): its columns stay empty")
    print("CPU us of the server for a delivery; ratios to the floor of the same turn; KiB: resident memory "
          "that a connection added")
    print("| form | subscribers | bytes | load | realtimed us | floor us | ratio | nchan ratio "
          "| deliveries/s | nchan | p50 / p99 ms | nchan | KiB | nchan |")
    print("|" + " --- |" * 14)
    for subscribers in counts[:1] if options.quick else counts:
        for size in (128,) if options.quick else (128, 4096):
            for form in ("ws", "sse"):
                for is_saturated in (False, True):
                    row(build, form, subscribers, size, is_saturated, options.seconds, turns)
    echo(build, options.seconds, turns)


if __name__ == "__main__":
    main()
