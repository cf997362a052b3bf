"""A realtimed that knows users and namespaces, and what is said to its channels."""

from __future__ import annotations

import json
from pathlib import Path

import realtimed
from bearer import SECRET, token_of
from realtimed import Client, Realtimed


def started(folder: Path, namespaces: list[dict] | None = None, **settings: str) -> Realtimed:
    if namespaces is not None:
        (folder / "namespaces.json").write_text(json.dumps({"namespaces": namespaces}))
        settings["REALTIME_NAMESPACES"] = str(folder / "namespaces.json")
    return realtimed.started(folder, REALTIME_JWT_SECRET=SECRET, **settings)


def as_user(user: str, **claims: object) -> dict:
    return {"extra_headers": {"Authorization": "Bearer " + token_of(user, **claims)}}


async def subscribed(client: Client, channel: str, **more: object) -> dict:
    await client.say(type="subscribe", channel=channel, **more)
    answer = await client.hear()
    assert answer["type"] == "subscribed", answer
    return answer


async def published(client: Client, channel: str, data: object, **more: object) -> dict:
    await client.say(type="message", channel=channel, data=data, **more)
    return await client.hear("ack")
