#!/usr/bin/python3
"""REST through nginx and FastCGI with kept connections, by more clients than the API has threads: what a request costs
nginx and what is behind it (user and system time), and how many are served a second; beside a bare libfcgi program that
says hello, and a static file, of the same nginx. Making a room also beside bare SQLite that commits each row by itself
with the same durability. And uploads, beside nginx's own PUT (dav).

    tests/bench/rest.py [PATH/realtime-sfu] [--quick] [--rounds N] [--only WORD]

The cases are measured in turn, several rounds, for others use the machine: what is printed is the best round of each, and the
median of the ratios, each to bare libfcgi in the same round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from servers import ROOT, Load, free_port, realtimed, wait_for_port

sys.path.insert(0, str(ROOT))
from tools import fronts

CLIENTS, ROOMS, SECONDS = 64, 100, 1.0
THREADS = 32
UPLOAD_BYTES = 256 << 20


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def post(path: str, body: str) -> bytes:
    return (f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


CHANGING = f"list {ROOMS} rooms, one changes every ms"
CASES = {
    "static file": (get("/static/file.json"), "nginx"),
    "bare libfcgi": (get("/hello"), "floor"),
    "read a room": (get("/realtime/webrtc/rooms/room-0001"), "api"),
    f"list {ROOMS} rooms": (get(f"/realtime/webrtc/rooms?limit={ROOMS}"), "api"),
    CHANGING: (get(f"/realtime/webrtc/rooms?limit={ROOMS}"), "api"),
    "make a room": (post("/realtime/webrtc/rooms", '{"room_id": "bench-########"}'), "api"),
    "send a message": (post("/realtime/send", '{"channel": "bench", "data": {"text": "hello"}}'), "api"),
}
# Of the CPU of bare libfcgi; making a room: of the rate of bare SQLite.
AIMS = {"read a room": 1.3, f"list {ROOMS} rooms": 3.0, CHANGING: 3.0}


class Site:
    """The shipped configuration of nginx with realtime-api and realtimed behind it, and what they are compared with."""

    def __init__(self, build: Path, folder: Path, stack: contextlib.ExitStack) -> None:
        self.folder, self.port = folder, free_port()
        self.daemon = stack.enter_context(realtimed(build, str(folder), WEBRTC_MAX_ROOMS="1000000"))
        api, hello = folder / "api.sock", folder / "hello.sock"
        env = {"PATH": os.environ["PATH"], "REALTIME_CONFIG": "/dev/null", "REALTIME_DATABASE": f"{folder}/r.db", "REALTIME_DATA_DIR": str(folder),
               "REALTIME_BUS": f"{folder}/bus", "REALTIME_SFU_CONTROL": f"{folder}/sfu", "REALTIME_ANONYMOUS_PUBLISH": "true",
               "REALTIME_API_LISTEN": f"fastcgi:unix:{api}", "WEBRTC_MAX_ROOMS": "1000000", "BINARY_ALLOWED_TYPES": "*/*",
               "REALTIME_FILES_USER_QUOTA": "0", "REALTIME_FILES_QUOTA": "0",
               "BINARY_MAX_FILE_SIZE": str(UPLOAD_BYTES + 1), "REALTIME_LOG_LEVEL": "info"}
        self.api = self.start(stack, [build / "api/realtime-api"], env, folder / "api.log")
        self.floor = self.start(stack, [build / "tests/rest_floor", hello, str(THREADS), "300"], {}, folder / "floor.log")
        self.nginx = self.start_nginx(stack, api, hello)
        self.nginx_pids = Path(f"/proc/{self.nginx.pid}/task/{self.nginx.pid}/children").read_text().split()

    @staticmethod
    def start(stack: contextlib.ExitStack, command: list[object], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([str(part) for part in command], env=env, stderr=log.open("ab"))
        stack.callback(lambda: (process.kill(), process.wait()))
        return process

    def start_nginx(self, stack: contextlib.ExitStack, api: Path, hello: Path) -> subprocess.Popen[bytes]:
        command = fronts.write("nginx", fronts.Site(
            self.folder, gateway="fastcgi", api=f"unix:{api}", realtimed=f"127.0.0.1:{self.daemon.port}",
            addresses=["127.0.0.1"], port=self.port, body_max="1g"))
        static = self.folder / "static"
        static.mkdir()
        (static / "file.json").write_text("{" + " " * 298 + "}")
        hello_snippet = self.folder / "hello-fastcgi.conf"
        hello_snippet.write_text((fronts.TEMPLATES / "nginx/realtime-fastcgi.conf").read_text().replace("realtime_api", "hello"))
        config = self.folder / "nginx.conf"
        config.write_text(config.read_text().replace("\tserver {\n", f"""
	keepalive_requests 1000000000;
	upstream hello {{ server unix:{hello} max_fails=0; keepalive 8; }}
	server {{
		location = /hello {{
			include {hello_snippet};
		}}
		location /static/ {{ root {self.folder}; }}
		location /dav/ {{ root {self.folder}; dav_methods PUT; create_full_put_path on; client_body_temp_path {self.folder}/dav-temp; }}
"""))
        nginx = self.start(stack, command, {}, self.folder / "nginx.out")
        # Before it is killed: its workers would outlive it, and hold open what our output is piped into.
        stack.callback(lambda: (nginx.terminate(), nginx.wait(10)))
        wait_for_port(self.port)
        return nginx

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def fill(self) -> None:
        """Rooms to be read and listed."""
        deadline = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(self.url("/health")) as answer:
                    if json.load(answer)["checks"]["realtimed"] == "ok":
                        break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise SystemExit("the site does not come up; " + (self.folder / "api.log").read_text()[-500:])
            time.sleep(0.05)
        for i in range(ROOMS):
            body = json.dumps({"room_id": f"room-{i:04}", "name": f"Room {i}", "metadata": {"topic": "bench"}}).encode()
            urllib.request.urlopen(urllib.request.Request(self.url("/realtime/webrtc/rooms"), body,
                                                          {"Content-Type": "application/json"})).close()

    def backend(self, kind: str) -> list[int]:
        return {"nginx": [], "floor": [self.floor.pid], "api": [self.api.pid, int(self.daemon.pids)]}[kind]


def measure_requests(build: Path, site: Site, rounds: int, only: str) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    rounds_of: dict[str, list[dict[str, float]]] = {}
    with contextlib.ExitStack() as stack:
        loads = {}
        for name, (request, kind) in CASES.items():
            if only and only not in name and kind == "api":
                continue
            loads[name] = stack.enter_context(Load(build / "tests/http_load", site.port, ",".join(site.nginx_pids),
                                                   ",".join(map(str, site.backend(kind))), CLIENTS))
            loads[name].process.stdin.write(request.decode() + "\n")
        for number in range(rounds):
            for name, load in loads.items():
                with changes(site) if name == CHANGING else contextlib.nullcontext():
                    result = load.measure("measure", SECONDS)
                if name == "make a room":
                    result["sqlite"] = bare_sqlite(build, site.folder, number)
                rounds_of.setdefault(name, []).append(result)
    for name, results in rounds_of.items():
        ratios = [one["us"] / floor["us"] for one, floor in zip(results, rounds_of["bare libfcgi"], strict=True)]
        best[name] = min(results, key=lambda one: one["us"]) | {
            "per_second": max(one["per_second"] for one in results), "ratio": statistics.median(ratios)}
        if "sqlite" in results[0]:
            best[name]["sqlite"] = statistics.median(one["sqlite"] for one in results)
            best[name]["of_sqlite"] = statistics.median(one["per_second"] / one["sqlite"] for one in results)
    return best


@contextlib.contextmanager
def changes(site: Site) -> Iterator[None]:
    """A room is changed every millisecond, by somebody else, so that what it costs is not counted."""
    is_over = threading.Event()

    def change() -> None:
        database = sqlite3.connect(site.folder / "r.db", isolation_level=None, timeout=10)
        database.execute("PRAGMA synchronous = OFF")
        number = 0
        while not is_over.wait(0.001):
            database.execute("UPDATE rooms SET version = version + 1 WHERE room_id = ?", (f"room-{number % ROOMS:04}",))
            number += 1
        database.close()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def bare_sqlite(build: Path, folder: Path, number: int) -> float:
    schema = b"".join(path.read_bytes() for path in sorted((ROOT / "db/migrations").glob("*.sql")))
    out = subprocess.run([build / "tests/persist_floor", folder / f"bare-{number}.db", "1", "1", str(SECONDS), "rooms"],
                         input=schema, stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["per_second"]


# ---- uploads ----


def curl(*arguments: object) -> None:
    subprocess.run(["curl", "-sS", "--fail", "-o", "/dev/null", *map(str, arguments)], check=True, stdin=subprocess.DEVNULL)


def cpu_s(pids: list[int]) -> float:
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / ticks


def tus(site: Site, file: Path) -> None:
    with urllib.request.urlopen(urllib.request.Request(
            site.url("/realtime/uploads"), method="POST",
            headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(file.stat().st_size)})) as made:
        place = made.headers["Location"]
    curl("-X", "PATCH", "-T", file, "-H", "Expect:", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Offset: 0", "-H",
         "Content-Type: application/offset+octet-stream", site.url(place))


def measure_uploads(site: Site, rounds: int) -> dict[str, dict[str, float]]:
    file = site.folder / "upload"
    with file.open("wb") as out:
        for _ in range(UPLOAD_BYTES >> 20):
            out.write(os.urandom(1 << 20))
    kinds = {
        "nginx dav PUT": lambda: curl("-T", file, "-H", "Expect:", site.url("/dav/file")),
        "raw PUT": lambda: curl("-T", file, "-H", "Expect:", site.url("/realtime/files?filename=a")),
        "multipart": lambda: curl("-F", f"file=@{file}", "-H", "Expect:", site.url("/realtime/binary/upload")),
        "tus": lambda: tus(site, file),
    }
    pids = [*map(int, site.nginx_pids), site.api.pid]
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, upload in kinds.items():
            began, before = time.monotonic(), cpu_s(pids)
            upload()
            took = time.monotonic() - began
            result = {"mb_per_second": UPLOAD_BYTES / took / 1e6, "cpu_s_per_gb": (cpu_s(pids) - before) / UPLOAD_BYTES * 1e9}
            old = best.get(name, result)
            best[name] = {"mb_per_second": max(old["mb_per_second"], result["mb_per_second"]),
                          "cpu_s_per_gb": min(old["cpu_s_per_gb"], result["cpu_s_per_gb"])}
            shutil.rmtree(site.folder / "dav", ignore_errors=True)
    return best


# ---- saying it ----


def verdict(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def print_requests(best: dict[str, dict[str, float]]) -> None:
    print(f"{CLIENTS} clients, {THREADS} threads, kept connections\n\n"
          "| request | requests/s | CPU us | of these nginx | behind it | of bare libfcgi | aim |\n"
          "| --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for name, one in best.items():
        ratio = one["ratio"]
        aim = f"at most {AIMS[name]}: {verdict(ratio <= AIMS[name])}" if name in AIMS else ""
        if "of_sqlite" in one:
            share = one["of_sqlite"]
            aim = f"{share:.2f} of bare SQLite's {one['sqlite']:.0f}/s, at least 0.5: {verdict(share >= 0.5)}"
        print(f"| {name} | {one['per_second']:.0f} | {one['us']:.1f} | {one['nginx_us']:.1f} | {one['backend_us']:.1f} | {ratio:.2f} | {aim} |")


def print_uploads(best: dict[str, dict[str, float]]) -> None:
    peer = best["nginx dav PUT"]
    print(f"\nOne file of {UPLOAD_BYTES >> 20} MiB; CPU of nginx and of realtime-api\n\n"
          "| upload | MB/s | of dav's | CPU s/GB |\n| --- | ---: | ---: | ---: |")
    for name, one in best.items():
        print(f"| {name} | {one['mb_per_second']:.0f} | {one['mb_per_second'] / peer['mb_per_second']:.2f} | {one['cpu_s_per_gb']:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sfu", nargs="?", help="a program of the build to measure")
    parser.add_argument("--quick", action="store_true", help="two rounds, and no uploads")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="of the requests, those with this word in their name")
    options = parser.parse_args()
    build = Path(options.sfu).resolve().parents[1] if options.sfu else ROOT / "build/release"
    rounds = 2 if options.quick else options.rounds
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        site = Site(build, folder, stack)
        site.fill()
        best = measure_requests(build, site, rounds, options.only)
        print_requests(best)
        if not options.quick and not options.only:
            print_uploads(measure_uploads(site, 3))


if __name__ == "__main__":
    main()
