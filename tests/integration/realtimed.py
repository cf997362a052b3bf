"""A realtimed of its own for a test: started on a temporary folder, talked to as clients do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import websockets
from answer import ask
from children import spawn

BINARY = os.environ.get("REALTIMED", "build/asan/realtime/realtimed")
DEADLINE_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Realtimed:
    """The daemon, on a folder that outlives its restarts."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.bus = str(folder / "bus.sock")
        self.database = str(folder / "realtime.db")
        self.settings = {
            "REALTIME_DATABASE": self.database,
            "REALTIME_BUS": self.bus,
            "REALTIME_LISTEN": f"127.0.0.1:{self.port}",
            "REALTIME_ANONYMOUS_PUBLISH": "true",
            "WEBRTC_AUTO_CREATE_ROOMS": "true",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        log = open(self.folder / "log", "ab")
        return spawn(
            [BINARY], env={**os.environ, **self.settings}, stderr=log, stdout=log
        )

    def start(self) -> None:
        self.process = self.spawn()
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("realtimed does not listen: " + self.log())

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> float:
        """Ask it to end, and see that it does so cleanly. How long it took."""
        assert self.process
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(DEADLINE_S)
        self.process = None
        assert code == 0, self.log()
        return time.monotonic() - began

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"


def started(folder: Path, **settings: str) -> Realtimed:
    daemon = Realtimed(folder, **settings)
    daemon.start()
    return daemon


def get(daemon: Realtimed, path: str, method: str = "GET", **headers: str) -> tuple[int, object]:
    answer = ask(daemon.port, method, path, headers=headers, timeout_s=5)
    return answer.status, json.loads(answer.body or b"null")


async def raw_websocket(daemon: Realtimed, extension: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """One that is open and does nothing by itself; the extension was agreed on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
    wish = f"Sec-WebSocket-Extensions: {extension}\r\n" if extension else ""
    writer.write(
        b"GET /realtime/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" + wish.encode() + b"\r\n"
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ") and extension.encode() in head, head
    return reader, writer


class Client:
    """A WebSocket that speaks JSON and never waits for ever."""

    def __init__(self, socket: websockets.WebSocketClientProtocol) -> None:
        self.socket = socket

    async def say(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def hear(self, kind: str | None = None, timeout: float = DEADLINE_S) -> dict:
        """The next message, or the next of that type, passing over others."""
        while True:
            async with asyncio.timeout(timeout):
                message = json.loads(await self.socket.recv())
            if kind is None or message["type"] == kind:
                return message

    async def hears_nothing(self, seconds: float = 0.2) -> None:
        try:
            async with asyncio.timeout(seconds):
                message = await self.socket.recv()
        except asyncio.TimeoutError:
            return
        raise AssertionError(f"unexpected {message!r}")

    async def close_code(self) -> int:
        async with asyncio.timeout(DEADLINE_S):
            await self.socket.wait_closed()
        return self.socket.close_code


@asynccontextmanager
async def connect(daemon: Realtimed, path: str = "/realtime/ws", **more) -> AsyncIterator[Client]:
    async with websockets.connect(daemon.url(path), max_size=None, close_timeout=2, **more) as socket:
        yield Client(socket)


@asynccontextmanager
async def chat(daemon: Realtimed, **more) -> AsyncIterator[Client]:
    async with connect(daemon, **more) as client:
        await client.hear("welcome")
        yield client


class Events:
    """An event stream, read as a browser reads it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.last_event_id = ""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.retry: int | None = None

    async def read_head(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = dict(line.split(": ", 1) for line in lines[1:] if line)

    async def line(self, timeout: float) -> str:
        # Not wait_for(): before Python 3.12 it may swallow a cancellation, and one reads on for ever.
        async with asyncio.timeout(timeout):
            return (await self.reader.readline()).decode()

    async def begun(self) -> None:
        """Its replay, which must be empty, is over: what is sent from now on is heard."""
        while not self.last_event_id:
            line = await self.line(DEADLINE_S)
            assert line, "the stream has ended"
            if line.startswith("id: "):
                self.last_event_id = line[4:].rstrip("\n")

    async def next(self, timeout: float = DEADLINE_S) -> tuple[str, dict]:
        event, data = "message", []
        while True:
            line = await self.line(timeout)
            if not line:
                raise EOFError("the stream has ended")
            line = line.rstrip("\n")
            field, _, value = line.partition(": ")
            if line == "" and data:
                return event, json.loads("\n".join(data))
            if line == "":
                event = "message"
            elif field == "id":
                self.last_event_id = value
            elif field == "event":
                event = value
            elif field == "data":
                data.append(value)
            elif field == "retry":
                self.retry = int(value)


@asynccontextmanager
async def events(
    daemon: Realtimed, query: str, headers: str = "", version: str = "1.1"
) -> AsyncIterator[Events]:
    """HTTP/1.0 is for proxies, which would send in chunks otherwise."""
    reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port, limit=1 << 24)
    writer.write(
        f"GET /realtime/events?{query} HTTP/{version}\r\nHost: 127.0.0.1:{daemon.port}\r\n{headers}\r\n".encode()
    )
    stream = Events(reader, writer)
    try:
        await stream.read_head()
        yield stream
    finally:
        writer.close()


async def hold_up_store(client: Client, lock: sqlite3.Connection) -> None:
    """Takes the database's lock, for which the store's thread waits from now on with one message of the client."""
    await client.say(type="message", channel="c", data=1)
    await client.hear("ack")
    lock.execute("BEGIN IMMEDIATE")
    await client.say(type="message", channel="c", data=1, persistent=True)
    await asyncio.sleep(0.2)
