"""Clients that nobody here has written: Node's ws and curl, straight at realtimed and through nginx."""

from __future__ import annotations

import base64
import json
import queue
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_auth import System

BROWSER = Path(__file__).resolve().parents[1] / "browser"
DEADLINE_S = 10.0


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("clients"))
    try:
        yield running
    finally:
        running.stack.stop_all()
        running.daemon.stop()


@pytest.fixture(params=["directly", "through nginx"])
def port(request: pytest.FixtureRequest, system: System) -> int:
    return system.daemon.port if request.param == "directly" else system.stack.port


class Lines:
    """A process that is talked to by lines, and never waited for without end."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next(self) -> str:
        line = self.lines.get(timeout=DEADLINE_S)
        assert line is not None, "it has ended"
        return line

    def say(self, **message: object) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message) + "\n")

    def hear(self, kind: str) -> dict:
        while True:
            message = json.loads(self.next())
            if message.get("type") == kind or kind in message:
                return message

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def node(port: int, key: str, protocol: str) -> Iterator[Lines]:
    url = f"ws://127.0.0.1:{port}/realtime/ws"
    lines = Lines(["node", str(BROWSER / "ws_lines.mjs"), url, protocol, f"X-API-Key={key}"])
    try:
        yield lines
    finally:
        lines.end()


@contextmanager
def curl(port: int, query: str, *options: str) -> Iterator[Lines]:
    lines = Lines(["curl", "-sN", *options, f"http://127.0.0.1:{port}/realtime/events?{query}"])
    try:
        yield lines
    finally:
        lines.end()


def event(lines: Lines) -> tuple[str, str, dict]:
    """id, event and data of the next event that has data."""
    fields: dict[str, str] = {}
    while True:
        line = lines.next()
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            return fields["id"], fields["event"], json.loads(fields["data"])


def publish(system: System, key: str, channel: str, data: object) -> dict:
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {key}", "--json",
         json.dumps({"channel": channel, "data": data, "persistent": True}),
         f"http://127.0.0.1:{system.stack.port}/realtime/send"],
        capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_nodes_ws_talks_and_listens(system: System, port: int) -> None:
    key = system.key("node")
    channel = f"node_{port}"
    text = "again and again, " * 100
    with node(port, key, "realtime.v1") as ann, node(port, key, "realtime.v1+bin") as bob:
        agreed = ann.hear("protocol")
        assert agreed == {"protocol": "realtime.v1", "extensions": "permessage-deflate"}
        assert bob.hear("protocol")["protocol"] == "realtime.v1+bin"
        for one in (ann, bob):
            one.hear("welcome")
            one.say(type="subscribe", channel=channel, id=1)
            assert one.hear("subscribed")["id"] == 1
        publish(system, key, channel, text)
        assert ann.hear("message")["data"] == bob.hear("message")["data"] == text
        ann.say(type="binary", channel=channel, content_type="text/plain",
                binary_data=base64.b64encode(b"bytes").decode(), id="x")
        assert ann.hear("binary")["binary_data"] == base64.b64encode(b"bytes").decode()
        assert ann.hear("ack")["id"] == "x"
        frame = base64.b64decode(bob.hear("bytes")["bytes"])
        assert frame[:3] == b"\xb7\x01\x01" and frame.endswith(b"bytes")
        ann.say(type="subscribe", channel="x" * 256, id=2)
        assert ann.hear("error")["field"] == "channel"
        assert ann.process.stdin
        ann.process.stdin.close()
        assert ann.hear("closed") == {"closed": 1000}


def test_curl_follows_an_event_stream_and_resumes_it(system: System, port: int) -> None:
    key = system.key("curl")
    channels = [f"curl_{port}_a", f"curl_{port}_b"]
    query = "&".join(f"channel={channel}" for channel in channels)
    publish(system, key, channels[0], 0)
    with curl(port, query) as stream:
        last, kind, message = event(stream)
        assert (kind, message["data"], message["replayed"]) == ("message", 0, True)
        publish(system, key, channels[1], 1)
        last, kind, message = event(stream)
        assert (kind, message["channel"], message["data"]) == ("message", channels[1], 1)
    for number in (2, 3, 4):
        publish(system, key, channels[number % 2], number)
    with curl(port, query, "-H", f"Last-Event-ID: {last}") as stream:
        assert [event(stream)[2]["data"] for _ in range(3)] == [2, 3, 4]
        publish(system, key, channels[0], 5)
        assert event(stream)[2]["data"] == 5
    with curl(port, f"{query}&last_event_id={last}") as stream:
        assert [event(stream)[2]["data"] for _ in range(4)] == [2, 3, 4, 5]
