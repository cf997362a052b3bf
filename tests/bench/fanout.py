#!/usr/bin/python3
"""Fan-out: one publisher, many WebSocket subscribers of one channel, in CPU microseconds of the
server for each delivery, beside a floor: a bare loop that sends the same bytes to as many sockets.

    tests/bench/fanout.py [PATH/realtime-sfu] [subscribers] [bytes]

The readers drain their sockets without looking (a check of the count and the order is made on one
of them), so that the server is what is measured.
"""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_us(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def frame(text: str) -> bytes:
    """A client's text frame; a mask of zeros is a mask."""
    data = text.encode()
    head = bytes([0x81, 0x80 | len(data)]) if len(data) < 126 else (
        b"\x81\xfe" + len(data).to_bytes(2, "big"))
    return head + b"\0\0\0\0" + data


def connect(port: int, path: str = "/realtime/ws") -> socket.socket:
    it = socket.create_connection(("127.0.0.1", port))
    it.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    it.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += it.recv(4096)
    return it


def drain(sockets: list[socket.socket], done: "multiprocessing.synchronize.Event", total) -> None:
    """Read everything, and count the bytes."""
    selector = selectors.DefaultSelector()
    for it in sockets:
        it.setblocking(False)
        selector.register(it, selectors.EVENT_READ)
    buffer = bytearray(1 << 16)
    while not done.is_set():
        count = 0
        for key, _ in selector.select(0.2):
            try:
                count += key.fileobj.recv_into(buffer)
            except BlockingIOError:
                pass
        if count:
            with total.get_lock():
                total.value += count


def wait_for_bytes(total, goal: int) -> None:
    deadline = time.monotonic() + 60
    while total.value < goal:
        assert time.monotonic() < deadline, f"{total.value} of {goal} bytes came"
        time.sleep(0.002)


def floor(subscribers: int, rounds: int, size: int, burst: int) -> float:
    """One send() for each burst and subscriber, from a bare loop."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    pairs = []
    for _ in range(subscribers):
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pairs.append((near, far))
    done, total = multiprocessing.Event(), multiprocessing.Value("q", 0)
    reader = multiprocessing.Process(target=drain, args=([p[0] for p in pairs], done, total))
    reader.start()
    blob = b"x" * size * burst
    sends = [p[1].send for p in pairs]
    began = time.process_time()
    for i in range(rounds // burst):
        for send in sends:
            send(blob)
        spent_so_far = time.process_time()
        wait_for_bytes(total, (i + 1) * len(blob) * subscribers)
        began += time.process_time() - spent_so_far
    spent = (time.process_time() - began) * 1e6
    done.set()
    reader.join()
    return spent / (subscribers * rounds)


def fan_out(port: int, pid: int, subscribers: int, rounds: int, size: int, burst: int) -> tuple[float, int]:
    """CPU per delivery, and how long one frame is."""
    channel = f"c{time.monotonic_ns()}"
    sockets = [connect(port) for _ in range(subscribers)]
    for it in sockets:
        it.sendall(frame(json.dumps({"type": "subscribe", "channel": channel})))
    for it in sockets:
        text = b""
        while b'"subscribed"' not in text:
            text += it.recv(65536)
    publisher = connect(port)
    publisher.settimeout(10)
    message = frame(json.dumps({"type": "message", "channel": channel, "data": "x" * size}))
    publisher.sendall(message)
    text = b""
    while b'"message_id"' not in text:
        text = sockets[0].recv(65536)
    length = len(text)
    for it in sockets[1:]:
        it.recv(65536)
    done, total = multiprocessing.Event(), multiprocessing.Value("q", 0)
    reader = multiprocessing.Process(target=drain, args=(sockets, done, total))
    reader.start()
    time.sleep(0.3)
    before = cpu_us(pid)
    for i in range(rounds // burst):
        publisher.sendall(message * burst)
        wait_for_bytes(total, (i + 1) * burst * length * subscribers)
        publisher.recv(1 << 20)
    spent = cpu_us(pid) - before
    done.set()
    reader.join()
    for it in [*sockets, publisher]:
        it.close()
    return spent / (subscribers * rounds), length


def main() -> None:
    build = Path(sys.argv[1]).resolve().parents[1] if len(sys.argv) > 1 else ROOT / "build/release"
    subscribers = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    size = int(sys.argv[3]) if len(sys.argv) > 3 else 128
    rounds = max(400, 400000 // subscribers)
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        settings = {
            "REALTIME_DATABASE": f"{folder}/r.db", "REALTIME_BUS": f"{folder}/bus",
            "REALTIME_LISTEN": f"127.0.0.1:{port}", "REALTIME_ANONYMOUS_PUBLISH": "true",
            "WEBSOCKET_MAX_CONNECTIONS": "20000", "REALTIME_LOG_LEVEL": "warning",
        }
        server = subprocess.Popen([build / "realtime/realtimed"], env=settings)
        try:
            time.sleep(0.5)
            print(f"1 publisher, {subscribers} subscribers, {size} B: CPU us of the server per delivery")
            print("| outstanding | realtimed | floor, one send() each | ratio |\n| --- | --- | --- | --- |")
            for burst in (1, 8):
                ours, floors = [], []
                for _ in range(3):
                    spent, length = fan_out(port, server.pid, subscribers, rounds, size, burst)
                    ours.append(spent)
                    floors.append(floor(subscribers, rounds // burst, length, 1))
                our, bare = statistics.median(ours), statistics.median(floors)
                print(f"| {burst} | {our:.2f} | {bare:.2f} | {our / bare:.2f} |", flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
