"""A WebSocket server whose every word a test decides, in the test's own loop."""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl as tls
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.exceptions import ConnectionClosed
from websockets.legacy.server import WebSocketServerProtocol, serve

Answer = dict | list[dict] | None


class FakeServer:
    """Answers by a table from type to a function of the message; what is not in it gets an `ack`.
    `received` has what clients said, `connections` who is there now."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[dict], Answer]] = {}
        self.received: list[dict] = []
        self.connections: list[WebSocketServerProtocol] = []
        self.arrived = asyncio.Event()
        self.counter = itertools.count(1)
        self.welcome: dict = {}
        self.is_silent = False  # no welcome, as of a server that hangs
        self.refuse_with: tuple[int, dict[str, str], bytes] | None = None
        self.url = ""

    def of(self, kind: str) -> list[dict]:
        return [message for message in self.received if message["type"] == kind]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()

    async def say(self, **message: object) -> None:
        for connection in self.connections:
            await connection.send(json.dumps(message))

    async def close_all(self, code: int, reason: str = "") -> None:
        for connection in list(self.connections):
            await connection.close(code, reason)

    async def process_request(self, _path: str, _headers: object) -> object:
        if self.refuse_with is None:
            return None
        status, headers, body = self.refuse_with
        return HTTPStatus(status), headers, body

    async def serve(self, connection: WebSocketServerProtocol) -> None:
        self.connections.append(connection)
        self.arrived.set()
        try:
            if not self.is_silent:
                await connection.send(json.dumps({
                    "type": "welcome", "connection_id": f"c{next(self.counter)}",
                    "user_id": "ann", "server_time": int(time.time() * 1000),
                    "ping_interval": 30, "max_message_size": 1 << 20, **self.welcome}))
            async for text in connection:
                message = json.loads(text)
                self.received.append(message)
                await self.answer(connection, message)
                self.arrived.set()
        except ConnectionClosed:
            pass  # as the test wanted
        finally:
            self.connections.remove(connection)
            self.arrived.set()

    async def answer(self, connection: WebSocketServerProtocol, message: dict) -> None:
        default: dict[str, Callable[[dict], Answer]] = {
            "subscribe": lambda said: {"type": "subscribed", "channel": said["channel"],
                                       "epoch": "e", "offset": 0, "replay_count": 0},
            "ping": lambda _: {"type": "pong"},
        }
        make = self.answers.get(message["type"]) or default.get(
            message["type"], lambda _: {"type": "ack", "offset": 1, "epoch": "e"})
        answer = make(message)
        for position, part in enumerate([answer] if isinstance(answer, dict) else answer or []):
            is_reply = position == 0 and "id" in message
            await connection.send(json.dumps({**part, **({"id": message["id"]} if is_reply else {})}))


@asynccontextmanager
async def fake_server(ssl: tls.SSLContext | None = None) -> AsyncIterator[FakeServer]:
    server = FakeServer()
    async with serve(server.serve, "127.0.0.1", 0, ssl=ssl,
                     process_request=server.process_request) as it:
        host = f"localhost:{it.sockets[0].getsockname()[1]}"
        server.url = f"{'wss' if ssl else 'ws'}://{host}/realtime/ws"
        yield server
