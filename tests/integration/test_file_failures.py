"""What files may cost, and what may go wrong with them: each test breaks a system of its own."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from conftest import wait_until
from files import UPLOAD, a_system, base64_of, files_in, get, rows, upload
from form import BOUNDARY, a_field, a_file, form
from guarded_system import System
from samples import PNG, large_text


def resident_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])


@pytest.mark.parametrize("gateway", ["fastcgi", "scgi"])
def test_300_mb_go_through_in_constant_memory(tmp_path: Path, gateway: str) -> None:
    size = 300_000_000
    block = large_text(1_000_000).encode()
    head = form(a_file(b"", "big.txt", "text/plain")).removesuffix(f"\r\n--{BOUNDARY}--\r\n".encode())
    tail = f"\r\n--{BOUNDARY}--\r\n".encode()
    # What the sanitizer keeps of freed memory is not the program's.
    sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"
    with a_system(tmp_path, gateway, "400m", BINARY_MAX_FILE_SIZE="300MB", ASAN_OPTIONS=sanitizer) as system:
        upload(system, a_file(PNG))
        pid = system.stack.children["api"].pid
        before = resident_kib(pid)
        connection = http.client.HTTPConnection("127.0.0.1", system.stack.port, timeout=120)
        connection.request("POST", UPLOAD, itertools.chain([head], itertools.repeat(block, size // len(block)), [tail]), {
            "Content-Length": str(len(head) + size + len(tail)),
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        answer = json.loads(connection.getresponse().read())
        assert answer["size"] == size, answer
        digest = hashlib.sha256()
        for _ in range(size // len(block)):
            digest.update(block)
        assert answer["sha256"] == digest.hexdigest()

        connection.request("GET", answer["url"])
        response = connection.getresponse()
        back = hashlib.sha256()
        while data := response.read(1 << 20):
            back.update(data)
        assert back.hexdigest() == digest.hexdigest()
        connection.close()
        grown = resident_kib(pid) - before
        assert grown < 32 * 1024, f"{grown} KiB for an upload of {size} bytes"


def test_a_file_that_is_too_large_ends_early(tmp_path: Path) -> None:
    """Long before all of it was sent."""
    with a_system(tmp_path, body_max="0", BINARY_MAX_FILE_SIZE="1MiB") as system:
        for length in (10_000_000_000, 16_000_000):
            with socket.create_connection(("127.0.0.1", system.stack.port), timeout=20) as connection:
                connection.sendall(
                    f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
                    f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n".encode())
                if length < 1_000_000_000:
                    connection.sendall(form(a_file(large_text(2_000_000).encode(), "a.txt"))[:2_000_000])
                    connection.shutdown(socket.SHUT_WR)
                    continue
                assert b" 413 " in connection.recv(4096)
        wait_until(lambda: not files_in(system))


def test_kill_9_at_any_moment_leaves_no_half_file(tmp_path: Path) -> None:
    """Everything that has a row is whole; what was acknowledged has a row; the next start clears the rest.
    RT_KILLS says how often, RT_SEED when."""
    seed = int(os.environ.get("RT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RT_SEED={seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    acknowledged: dict[str, str] = {}
    content = large_text(300_000).encode()
    numbers = itertools.count()
    lock = threading.Lock()
    is_over = threading.Event()

    def send(system: System) -> None:
        while not is_over.is_set():
            with lock:
                data = content + str(next(numbers)).encode()
            try:
                answer = upload(system, a_file(data, "a.txt", "text/plain"))
            except OSError:
                continue
            if answer.status == 201:
                acknowledged[answer.json["file_id"]] = hashlib.sha256(data).hexdigest()

    with a_system(tmp_path, BINARY_MAX_FILE_SIZE="1MiB") as system:
        senders = [threading.Thread(target=send, args=(system,)) for _ in range(3)]
        for sender in senders:
            sender.start()
        for _ in range(int(os.environ.get("RT_KILLS", "50"))):
            time.sleep(chance.uniform(0.02, 0.25))
            system.stack.stop("api", signal.SIGKILL)
            for path in files_in(system):
                if path.parent.name != "incoming":
                    assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
            system.stack.start_api()
            system.stack.wait_until_up()
        is_over.set()
        for sender in senders:
            sender.join()
        kept = dict(rows(system, "SELECT file_id, sha256 FROM uploads"))
        assert acknowledged and acknowledged.items() <= kept.items()
        for file_id, digest in kept.items():
            assert hashlib.sha256(get(system, f"/realtime/files/{file_id}").body).hexdigest() == digest
        # At rest there is nothing but what has a row.
        system.stack.stop("api", signal.SIGKILL)
        system.stack.start_api()
        system.stack.wait_until_up()
        wait_until(lambda: {path.name for path in files_in(system)} == set(kept.values()))


def test_quota_and_expiry(tmp_path: Path) -> None:
    with a_system(tmp_path, REALTIME_FILES_USER_QUOTA="100KB", REALTIME_FILES_QUOTA="150KB") as system:
        ann, bob = system.token("ann"), system.token("bob")
        parts = [a_file(large_text(60_000).encode() + who, "a.txt", "text/plain") for who in (b"1", b"2", b"3")]
        assert upload(system, parts[0], credential=ann).status == 201
        answer = upload(system, parts[1], credential=ann)
        assert (answer.status, answer.json["code"]) == (507, "user_quota_exceeded")
        assert upload(system, parts[1], credential=bob).status == 201
        answer = upload(system, parts[2])
        assert (answer.status, answer.json["code"]) == (507, "quota_exceeded")
        assert len(files_in(system)) == 2
        # One has expired, one too but is in a stored message: the next start looks at once.
        data = large_text(20_000).encode()
        answer = upload(system, a_file(data, "c.txt", "text/plain"), a_field("channel", "c"))
        assert answer.status == 201
        system.sql("UPDATE uploads SET expires_at = 1")
        system.sql("INSERT INTO channels (channel, epoch, created_at) VALUES ('d', 'e', 1)")
        system.sql("INSERT INTO messages (channel, offset, message_id, data, kind, created_at, file_id) SELECT 'd', 1,"
                   " 'msg_0000000000000001', 'null', 'binary', 1, file_id FROM uploads WHERE user_id = 'bob'")
        system.stack.stop("api")
        system.stack.start_api()
        system.stack.wait_until_up()
        wait_until(lambda: rows(system, "SELECT user_id FROM uploads") == [("bob",)])
        wait_until(lambda: len(files_in(system)) == 1)
        assert rows(system, "SELECT user_id, file_count, size_bytes FROM upload_usage") == [("bob", 1, 60_001)]


def test_without_realtimed_nothing_is_taken_for_a_channel(tmp_path: Path) -> None:
    with a_system(tmp_path) as system:
        system.daemon.kill()
        # One whose message may or may not have gone out as realtimed died keeps its file.
        wait_until(lambda: upload(system, a_file(PNG), a_field("channel", "c")).status == 503)
        data = large_text(1000).encode()
        before = files_in(system)
        assert upload(system, a_file(data, "a.txt", "text/plain"), a_field("channel", "c")).status == 503
        assert files_in(system) == before
        assert upload(system, a_file(data, "a.txt", "text/plain")).status == 201
        system.daemon.start()
        wait_until(lambda: upload(system, a_file(PNG), a_field("channel", "c")).status == 201)


def test_what_nobody_was_told_of_is_not_kept(tmp_path: Path) -> None:
    """It would count against its sender's quota with each attempt."""
    body = {"text": large_text(300_000)}  # so much is kept as a file
    with a_system(tmp_path) as system:
        refused = system.ask("POST", "/realtime/binary/text", body | {"connection_id": "conn_none"})
        assert (refused.status, refused.json["code"]) == (404, "connection_not_found")
        system.daemon.kill()
        wait_until(lambda: system.ask("POST", "/realtime/send", {"channel": "c", "data": 1}).status == 503)
        for _ in range(3):
            answer = system.ask("POST", "/realtime/binary/text", body | {"channel": "c"})
            assert (answer.status, answer.json["code"]) == (503, "bus_unavailable")
        assert rows(system, "SELECT count(*) FROM uploads") == [(0,)] and not files_in(system)
        system.daemon.start()
        wait_until(lambda: system.ask("POST", "/realtime/binary/text", body | {"channel": "c"}).status == 201)
        assert rows(system, "SELECT count(*) FROM uploads") == [(1,)]


def test_switched_off_is_said(tmp_path: Path) -> None:
    with a_system(tmp_path, BINARY_DATA_ENABLED="false") as system:
        body = {"channel": "c", "binary_data": base64_of(PNG)}
        for answer in (upload(system, a_file(PNG)), system.ask("POST", "/realtime/binary/send", body)):
            assert (answer.status, answer.json["code"]) == (403, "binary_disabled")
