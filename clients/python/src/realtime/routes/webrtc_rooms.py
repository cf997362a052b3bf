"""/realtime/webrtc/rooms: make, look at, change and delete rooms for calls, and moderate them."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

from ..models import WebRTCRoom

PATH = "/realtime/webrtc/rooms"


class Rest(Protocol):
    async def get(self, path: str, **options: Any) -> Any: ...
    async def post(self, path: str, **options: Any) -> Any: ...
    async def put(self, path: str, **options: Any) -> Any: ...
    async def patch(self, path: str, **options: Any) -> Any: ...
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


async def participants(client: Rest, room_id: str) -> Any:
    """Who is in the call: {items, total}."""
    return await client.get(f"{path_of(room_id)}/participants")


async def sessions(client: Rest, room_id: str, **query: Any) -> Any:
    """Who was in the call and why they left, the newest first: {items, next}; cursor=, limit=."""
    return await client.get(f"{path_of(room_id)}/sessions", params=query)


async def mute(
    client: Rest,
    room_id: str,
    peer_id: str,
    *,
    audio: bool | None = None,
    video: bool | None = None,
) -> Any:
    """Have what they publish of a kind not forwarded, or forwarded again; None leaves it."""
    flags = {"audio_muted": audio, "video_muted": video}
    present = {name: flag for name, flag in flags.items() if flag is not None}
    return await client.patch(_participant(room_id, peer_id), json=present)


async def kick(client: Rest, room_id: str, peer_id: str, reason: str | None = None) -> None:
    body = {"json": {"reason": reason}} if reason is not None else {}
    await client.delete(_participant(room_id, peer_id), **body)


async def ban(client: Rest, room_id: str, **fields: Any) -> Any:
    """user_id= or peer_id=, reason=, ttl= or expires_at=; who is banned is kicked as well."""
    return await client.post(f"{path_of(room_id)}/bans", json=fields)


async def unban(client: Rest, room_id: str, ban_id: str) -> None:
    await client.delete(f"{path_of(room_id)}/bans/{quote(ban_id, safe='')}")


async def invite(client: Rest, room_id: str, **fields: Any) -> Any:
    """max_uses=, ttl= or expires_at=, name=. Its `token` and `url` are shown this once."""
    return await client.post(f"{path_of(room_id)}/invites", json=fields)


async def revoke_invite(client: Rest, room_id: str, invite_id: str) -> None:
    await client.delete(f"{path_of(room_id)}/invites/{quote(invite_id, safe='')}")


def _participant(room_id: str, peer_id: str) -> str:
    return f"{path_of(room_id)}/participants/{quote(peer_id, safe='')}"
