"""Rooms that are moderated, and who comes to their doors. The SFU is played."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import bus_peer as bus
from answer import SDP, Answer
from bearer import base64url, bearer
from conftest import wait_until
from guarded_system import ROOMS, SIGNALING, System
from realtimed import Client, connect, get


@asynccontextmanager
async def played_sfu(system: System) -> AsyncIterator[bus.BusPeer]:
    sfu = bus.BusPeer(system.daemon.bus, "sfu")
    await sfu.connect()
    try:
        yield sfu
    finally:
        await sfu.close()


async def missed(system: System, sfu: bus.BusPeer) -> None:
    """It goes away, and realtimed knows."""
    await sfu.close()
    await asyncio.to_thread(wait_until, lambda: get(system.daemon, "/realtime/webrtc/health")[0] == 503)


def room(system: System, host: str, room_id: str, **fields: object) -> str:
    made = system.ask("POST", ROOMS, {"room_id": room_id, **fields}, host)
    assert made.status == 201, made.body
    return f"{ROOMS}/{room_id}"


def enter(system: System, room_id: str, credential: str | None = None, *, password: str | None = None,
          invite: str | None = None, query: str = ""):
    """A signalling connection, with what is shown at the door as a browser shows it."""
    protocols = ["realtime.v1"]
    if credential:
        protocols.append(f"bearer.{credential}")
    if password:
        protocols.append(f"password.{base64url(password.encode())}")
    if invite:
        protocols.append(f"invite.{invite}")
    return connect(system, f"{SIGNALING}?room_id={room_id}{query}", subprotocols=protocols)


async def joined(client: Client) -> dict:
    message = await client.hear()
    assert message["type"] == "joined", message
    return message


async def refused(system: System, room_id: str, *arguments: object, close: int = 4403, **more: object) -> str:
    """The code with which somebody is turned away."""
    async with enter(system, room_id, *arguments, **more) as client:
        error = await client.hear()
        assert error["type"] == "error", error
        assert await client.close_code() == close
        return error["code"]


async def asked(system: System, *arguments: object) -> Answer:
    return await asyncio.to_thread(system.ask, *arguments)


async def offered(system: System, path: str, credential: str | None = None, **headers: str) -> Answer:
    """A WHIP or WHEP session begun."""
    return await asyncio.to_thread(system.stack.request, "POST", path, "v=0",
                                   {**SDP, **(bearer(credential) if credential else {}), **headers})


def leave_reasons(system: System, room_id: str) -> list[str]:
    with sqlite3.connect(system.stack.database) as db:
        return [reason for (reason,) in db.execute(
            "SELECT leave_reason FROM participant_sessions WHERE room_id = ? AND left_at IS NOT NULL ORDER BY left_at",
            (room_id,))]


def no_secret_is_logged(system: System) -> None:
    for name, text in system.logs().items():
        for secret in system.secrets:
            assert secret not in text and base64url(secret.encode()) not in text, name
    assert "Sanitizer" not in system.daemon.log() and "runtime error" not in system.daemon.log()
