"""Bytes by REST: sent and uploaded, and where they are kept. realtimed and the API behind nginx."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from answer import Answer
from form import BOUNDARY, form
from guarded_system import System
from realtimed import connect

UPLOAD = "/realtime/binary/upload"


@contextmanager
def a_system(folder: Path, gateway: str = "fastcgi", body_max: str = "64m", **settings: str) -> Iterator[System]:
    it = System(folder, gateway, body_max=body_max, REALTIME_ANONYMOUS_PUBLISH="true", **settings)
    try:
        yield it
    finally:
        it.stop()


def upload(system: System, *parts: tuple, path: str = UPLOAD, credential: str | None = None) -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if credential:
        headers["Authorization"] = f"Bearer {credential}"
    return system.stack.request("POST", path, form(*parts), headers)


def get(system: System, path: str, method: str = "GET", **headers: str) -> Answer:
    return system.stack.request(method, path, None, {name.replace("_", "-"): value for name, value in headers.items()})


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def files_in(system: System) -> list[Path]:
    folder = system.stack.folder / "files"
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def rows(system: System, statement: str, *values: object) -> list[tuple]:
    with sqlite3.connect(system.stack.database) as db:
        return db.execute(statement, values).fetchall()


async def hear_one(system: System, channel: str, act: object, kind: str = "binary") -> tuple[object, dict]:
    """What `act` returns, and what a subscriber of the channel hears of it."""
    async with connect(system) as client:
        await client.hear("welcome")
        await client.say(type="subscribe", channel=channel)
        await client.hear("subscribed")
        result = await asyncio.to_thread(act)
        try:
            return result, await client.hear(kind)
        except TimeoutError:
            raise AssertionError(f"nothing was heard of {result}") from None
