"""A disk that is full, one that fails, and a process that is killed: 507 and 500, which any operation may answer, and nothing
that was acknowledged is lost; when there is room again all goes on without a restart."""

from __future__ import annotations

import http.client
import itertools
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from answer import Answer
from conftest import Stack, wait_until

KILLS = int(os.environ.get("RT_KILLS", "5"))
ROOMS = "/realtime/webrtc/rooms"
FILLER = "x" * 15000


def run_apart(command: str) -> tuple[str, ...]:
    """A shell that runs `command` and then the API, with mounts of its own; without root in a user namespace."""
    namespace = ["--mount"] if os.getuid() == 0 else ["--user", "--map-root-user", "--mount"]
    return ("unshare", *namespace, "--", "sh", "-c", f'{command} && exec "$@"', "sh")


def started(folder: Path, command: str, **env: str) -> Stack:
    (folder / "disk").mkdir()
    stack = Stack(folder, "fastcgi", env={"REALTIME_DATABASE": str(folder / "disk/realtime.db"), **env}, wrapper=run_apart(command))
    stack.start_api()
    stack.start_realtimed({37: lambda _: {"kicked": 0}})  # a ban sends out
    stack.start_sfu()
    stack.start_nginx()
    stack.wait_until_up()
    return stack


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Stack]:
    """A store on a disk of 3 MiB."""
    stack = started(tmp_path, f"mount -t tmpfs -o size=3m tmpfs {tmp_path / 'disk'}", WEBRTC_MAX_ROOMS="100000")
    try:
        yield stack
    finally:
        stack.stop_all()


def seen_by_the_api(stack: Stack) -> Path:
    """The disk, which is not mounted here."""
    return Path(f"/proc/{stack.children['api'].pid}/root") / str(stack.folder / "disk").lstrip("/")


def fill(stack: Stack) -> list[str]:
    """Rooms until no more go; what was acknowledged."""
    made = []
    for i in range(1000):
        answer = stack.request("POST", ROOMS, {"room_id": f"r{i}", "metadata": {"x": FILLER}})
        if answer.status != 201:
            judge(answer, 507, "store_full")
            return made
        made.append(f"r{i}")
    raise AssertionError("the disk does not fill")


def judge(answer: Answer, status: int, code: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["code"] == code and answer.json["status"] == status
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    for name in ("Location", "ETag"):  # nothing is left of the answer that was to be
        assert name not in answer.headers


WRITES: dict[str, Callable[[Stack], Answer]] = {
    "roomCreate": lambda stack: stack.request("POST", ROOMS, {"room_id": "late", "metadata": {"x": FILLER}}),
    "roomCreate, once": lambda stack: stack.request("POST", ROOMS, {"metadata": {"x": FILLER}}, {"Idempotency-Key": "k"}),
    "roomUpdate": lambda stack: stack.request("PUT", f"{ROOMS}/r0", {"metadata": {"y": FILLER}}),
    "roomDelete": lambda stack: stack.request("DELETE", f"{ROOMS}/r1"),
    "banCreate": lambda stack: stack.request("POST", f"{ROOMS}/r0/bans", {"user_id": "u", "reason": "x" * 200}),
    "inviteCreate": lambda stack: stack.request("POST", f"{ROOMS}/r0/invites", {"name": "x" * 100}),
    "webhookCreate": lambda stack: stack.request("POST", "/realtime/webhooks", {"url": "https://example.org/" + "x" * 900}),
    "fileUpload": lambda stack: stack.request("PUT", "/realtime/files", b"text", {"Content-Type": "text/plain"}),
    "uploadCreate": lambda stack: stack.request("POST", "/realtime/uploads", b"", {"Tus-Resumable": "1.0.0", "Upload-Length": "4"}),
    "send, once": lambda stack: stack.request("POST", "/realtime/send", {"text": "x"}, {"Idempotency-Key": "m"}),
}


def until(answer: Callable[[], Answer], status: int) -> Answer:
    """What small changes leave of the last page they still have: some pass before one does not."""
    for _ in range(300):
        last = answer()
        if last.status == status:
            return last
    raise AssertionError(f"no {status}: {last.status} {last.body!r}")


def test_a_full_disk_is_507_and_loses_nothing(full: Stack) -> None:
    filler = seen_by_the_api(full) / "filler"
    filler.write_bytes(bytes(512 << 10))
    made = fill(full)
    assert len(made) > 20
    for write in WRITES.values():
        judge(until(lambda write=write: write(full), 507), 507, "store_full")
    # Reading goes on, as does what needs no disk.
    assert full.request("GET", f"{ROOMS}/{made[-1]}").json["metadata"] == {"x": FILLER}
    assert len(full.request("GET", f"{ROOMS}?limit=200").json["items"]) >= len(made)
    assert full.request("GET", "/health/live").status == 200

    filler.unlink()
    assert full.request("DELETE", f"{ROOMS}/{made[-1]}").status == 204
    for name in made[:-1]:
        assert name == "r1" or full.request("GET", f"{ROOMS}/{name}").status == 200


def test_a_failing_disk_is_500(tmp_path: Path) -> None:
    """No file may grow beyond 1 MiB: SQLite's writes fail as a broken disk's do."""
    stack = started(tmp_path, "trap '' XFSZ; ulimit -f 2048")
    try:
        made = []
        for i in range(1000):
            answer = stack.request("POST", ROOMS, {"room_id": f"r{i}", "metadata": {"x": FILLER}})
            if answer.status != 201:
                break
            made.append(f"r{i}")
        judge(answer, 500, "internal_error")
        assert str(tmp_path) not in answer.body.decode()
        log = (tmp_path / "api.log").read_text()
        assert answer.json["request_id"] in log and "store_failed" in log
        assert stack.request("GET", f"{ROOMS}/{made[-1]}").status == 200
    finally:
        stack.stop_all()
    with sqlite3.connect(tmp_path / "disk/realtime.db") as store:
        assert {row[0] for row in store.execute("SELECT room_id FROM rooms")} == set(made)
        assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_kill_9_loses_no_room_that_was_acknowledged(tmp_path: Path) -> None:
    """Several requests share a commit: none is answered before it. RT_KILLS says how often."""
    stack = Stack(tmp_path, "fastcgi", env={"WEBRTC_MAX_ROOMS": "1000000"})
    stack.start_api()
    stack.start_nginx()
    acknowledged: set[str] = set()
    numbers, is_over = itertools.count(), threading.Event()

    def make() -> None:
        while not is_over.is_set():
            name = f"r{next(numbers)}"
            try:
                answer = stack.request("POST", ROOMS, {"room_id": name}, {"Idempotency-Key": name} if len(name) % 2 else None)
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 201:
                acknowledged.add(name)
            else:
                assert answer.status in (502, 503), answer.body

    makers = [threading.Thread(target=make) for _ in range(8)]
    try:
        stack.wait_until_up()
        for maker in makers:
            maker.start()
        for kill in range(KILLS):
            before = len(acknowledged)
            wait_until(lambda before=before: len(acknowledged) > before + 20)
            time.sleep(kill * 0.007 % 0.05)
            stack.stop("api", signal.SIGKILL)
            stack.start_api()
            stack.wait_until_up()
            with sqlite3.connect(stack.database) as store:
                known = set(acknowledged)
                assert known <= {row[0] for row in store.execute("SELECT room_id FROM rooms")}
    finally:
        is_over.set()
        for maker in makers:
            maker.join()
        stack.stop_all()
    with sqlite3.connect(stack.database) as store:
        assert acknowledged <= {row[0] for row in store.execute("SELECT room_id FROM rooms")}
        assert store.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
