"""/realtime/webrtc/rooms: make, look at, change and delete rooms for calls."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

from ..models import WebRTCRoom

PATH = "/realtime/webrtc/rooms"


class Rest(Protocol):
    async def get(self, path: str, **options: Any) -> Any: ...
    async def post(self, path: str, **options: Any) -> Any: ...
    async def put(self, path: str, **options: Any) -> Any: ...
    async def delete(self, path: str, **options: Any) -> Any: ...


def path_of(room_id: str) -> str:
    return f"{PATH}/{quote(room_id, safe='')}"


async def create(client: Rest, room: WebRTCRoom | dict[str, Any]) -> Any:
    """The room as it is now, with the id that it got. RealtimeError "room_exists"."""
    return await client.post(PATH, json=room.dict() if isinstance(room, WebRTCRoom) else room)


async def list_page(client: Rest, *, limit: int = 50, cursor: str | None = None) -> Any:
    """{items, next}; `next` is the cursor of the page behind, None at the end."""
    return await client.get(PATH, params={"limit": limit, "cursor": cursor})


async def get(client: Rest, room_id: str) -> Any:
    return await client.get(path_of(room_id))


async def update(client: Rest, room_id: str, etag: str | None = None, **fields: Any) -> Any:
    """With `etag` only if the room is still that one: RealtimeError "room_changed"."""
    headers = {"If-Match": etag} if etag is not None else {}
    return await client.put(path_of(room_id), json=fields, headers=headers)


async def delete(client: Rest, room_id: str) -> None:
    await client.delete(path_of(room_id))
