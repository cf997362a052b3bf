"""What tests of the Python client have in common: how it is run, who it is, and what it hears."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any

from realtimed import Realtimed

from realtime import Backoff, Message, WSClient

DEADLINE_S = 20.0


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def ws(daemon: Realtimed) -> str:
    return daemon.url("/realtime/ws")


def sse(daemon: Realtimed) -> str:
    return f"http://127.0.0.1:{daemon.port}/realtime/events"


def quick() -> Backoff:
    return Backoff(0.02, 0.1)


class Hopeless(Backoff):
    """For a client whose open_timeout is TIME_S: when some attempts have failed, it has passed, without being waited for."""

    TIME_S = 10.0

    def __init__(self, attempts: int = 3) -> None:
        super().__init__(0.02, 0.1)
        self.attempts = attempts

    def next_s(self, at_least_s: float = 0.0) -> float:
        delay_s = super().next_s(at_least_s)
        if self.attempt == self.attempts:
            skip(self.TIME_S)
        return delay_s


def skip(time_s: float) -> None:
    """Whatever was to happen within this time happens next."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + time_s


def key_of(daemon: Realtimed, user_id: str) -> str:
    key = "rtk_" + hashlib.sha256(user_id.encode()).hexdigest()[:40]
    with sqlite3.connect(daemon.database) as db:
        db.execute(
            "INSERT INTO api_keys (key_id, name, prefix, key_hash, user_id, created_at)"
            " VALUES (?, 'test', 'rtk_', ?, ?, 0)",
            (f"key_{user_id}", hashlib.sha256(key.encode()).digest(), user_id),
        )
    return key


class Heard:
    """A handler that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.arrived = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self.arrived.set()

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()


async def next_of(client: WSClient, kind: str = "message") -> Message:
    async with asyncio.timeout(DEADLINE_S):
        async for message in client:
            if message["type"] == kind:
                return message
    raise AssertionError("the messages have ended")


async def take(client: WSClient, count: int) -> list[Message]:
    async with asyncio.timeout(10):
        taken: list[Message] = []
        async for message in client:
            taken.append(message)
            if len(taken) == count:
                break
        return taken
