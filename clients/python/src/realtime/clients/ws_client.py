"""The client of /realtime/ws: channels, messages, bytes, notifications, presence."""

from __future__ import annotations

import logging
import ssl as tls
from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin

from .. import native
from ..backoff import Backoff
from ..credentials import Credentials, TokenSource
from ..errors import RealtimeError
from ..models import BinaryMessage, ChannelMessage, Message
from ..rest import RestClient
from .channel_socket import ChannelSocket
from .signaling_client import SignalingClient

log = logging.getLogger("realtime.websocket")


class WSClient(ChannelSocket):
    """A connection to `url`, "ws://host/realtime/ws", that is kept up:

        async with WSClient(url) as client:
            await client.subscribe_to_channel("general")
            async for message in client:
                ...

    Subscriptions are resumed after a loss without a gap and without a duplicate. Where the server
    cannot tell any more what was missed, a message {"type": "gap", "channel", "reason"} says so;
    where it takes a subscription away, {"type": "unsubscribed", "channel", "code", "reason"}.

    Requests (send_*, subscribe…) return the server's answer; RealtimeError is a refusal,
    `timeout`, or `disconnected`: the connection was lost before the answer, and the server may or
    may not have acted. With an idempotency_key they are repeated instead. A request made while
    there is no connection waits for the next one.

    `token` is a JWT or a function that returns one, a coroutine function too; that is called
    before every connection and again before the token expires. `native_binary` sends and receives
    bytes as bytes rather than as base64; message.payload gives them either way.
    """

    def __init__(
        self,
        url: str,
        *,
        token: TokenSource | None = None,
        api_key: str | None = None,
        room_id: str | None = None,
        native_binary: bool = False,
        ssl: tls.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        open_timeout: float = 10.0,
        request_timeout: float = 10.0,
        queue_size: int = 1000,
        max_message_size: int = 128 * 1024 * 1024,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(
            url,
            credentials=Credentials(token, api_key),
            ssl=ssl,
            headers=headers,
            open_timeout=open_timeout,
            request_timeout=request_timeout,
            queue_size=queue_size,
            max_message_size=max_message_size,
            backoff=backoff,
            log=log,
        )
        self.native_binary = native_binary
        self.rest = RestClient(
            url, credentials=self.credentials, ssl=ssl, timeout=max(request_timeout, open_timeout)
        )
        self._room_id = room_id
        self._rooms: dict[str, SignalingClient] = {}

    # ---- sending ----

    async def send_text(self, text: str, channel: str | None = None, **options: Any) -> Message:
        """Text, into the channel "general" unless another is named."""
        return await self.request("text", data=text, channel=channel, **options)

    async def send_to_channel(
        self,
        channel: str,
        data: Any,
        *,
        persistent: bool = False,
        ttl: int | None = None,
        tags: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Any JSON, into a channel. Returns the server's `ack`: {channel, offset, epoch,
        message_id}; what is persistent is on the disk by then."""
        message = ChannelMessage(channel, data, persistent, ttl, tags, idempotency_key)
        return await self.send_channel_message(message, timeout=timeout)

    async def send_channel_message(
        self, message: ChannelMessage, *, timeout: float | None = None
    ) -> Message:
        fields = message.dict()
        return await self.request(fields.pop("type"), timeout=timeout, **fields)

    async def send_binary(
        self,
        message: BinaryMessage | bytes | bytearray | memoryview,
        content_type: str | None = None,
        *,
        filename: str | None = None,
        channel: str | None = None,
        persistent: bool | None = None,
        ttl: int | None = None,
        tags: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> Message:
        """A BinaryMessage, or bytes and their media type; into "general" unless another channel is
        named. What is given here goes over what the BinaryMessage says."""
        if isinstance(message, BinaryMessage):
            content_type = content_type or message.content_type
            filename, channel = filename or message.filename, channel or message.channel
            persistent = message.persistent if persistent is None else persistent
            ttl, tags = ttl or message.ttl, tags or message.tags
        payload = message.data if isinstance(message, BinaryMessage) else bytes(message)
        fields = {
            "content_type": content_type or "application/octet-stream",
            "filename": filename,
            "channel": channel,
            "ttl": ttl,
            "tags": tags,
            "idempotency_key": idempotency_key,
        }
        if not self.native_binary:
            text = (
                message.binary_data
                if isinstance(message, BinaryMessage)
                else BinaryMessage.from_bytes(payload).binary_data
            )
            return await self.request(
                "binary", timeout=timeout, binary_data=text, persistent=persistent or None, **fields
            )
        meta = {name: value for name, value in fields.items() if value is not None}
        return await self._ask(
            lambda request_id: native.encode(
                meta, payload, request_id=request_id, persistent=bool(persistent)
            ),
            timeout,
            idempotency_key is not None,
        )

    async def broadcast(self, data: Any, *, timeout: float | None = None) -> Message:
        """To everybody who is connected; nothing is kept."""
        return await self.request("broadcast", data=data, timeout=timeout)

    async def send_direct(self, user_id: str, data: Any, **options: Any) -> Message:
        """To one user, on all of that user's connections."""
        return await self.request("direct", user_id=user_id, data=data, **options)

    async def send_notification(
        self,
        title: str,
        body: str,
        *,
        user_id: str | None = None,
        channel: str | None = None,
        broadcast: bool = False,
        notification_type: str | None = None,
        data: Any = None,
        timeout: float | None = None,
        **options: Any,
    ) -> Message:
        """To a user, who gets it on the next connection if there is none now; to a channel; or to
        everybody who is connected."""
        return await self.request(
            "notification",
            timeout=timeout,
            title=title,
            body=body,
            user_id=user_id,
            channel=channel,
            broadcast=broadcast or None,
            notification_type=notification_type,
            data=data,
            **options,
        )

    # ---- calls ----

    async def join_room(
        self,
        room_id: str,
        name: str | None = None,
        *,
        password: str | None = None,
        invite: str | None = None,
    ) -> SignalingClient:
        """Enter a room for its signals, over a connection of its own: that is how the server knows
        who is in a call. What comes over it is given to on_message() and iterations of this client
        too: "joined", "peer-joined", "signal" … A room that is closed is opened by its password or
        by the token of an invite. Who was sent out may ask again; a signal alone does not."""
        if room_id not in self._rooms or not self._rooms[room_id].is_open:
            room = SignalingClient(
                urljoin(self.url, "webrtc/signaling"),
                room_id,
                name=name,
                password=password,
                invite=invite,
                credentials=self.credentials,
                ssl=self._ssl,
                headers=self._headers,
                open_timeout=self._open_timeout,
            )
            room.on_message(self._inbox.put)
            self._rooms[room_id] = room
            try:
                await room.connect()
            except BaseException:
                if self._rooms.get(room_id) is room:
                    del self._rooms[room_id]
                raise
        return self._rooms[room_id]

    async def leave_room(self, room_id: str) -> None:
        room = self._rooms.pop(room_id, None)
        if room is not None:
            await room.close()

    async def send_webrtc_signal(
        self,
        signal_type: str,
        target_peer_id: str | None = None,
        sdp: str | None = None,
        ice_candidate: dict[str, Any] | None = None,
        room_id: str | None = None,
        **more: Any,
    ) -> None:
        """Send an offer, answer, ice-candidate, bye or renegotiate to a peer of a room.

        A signal needs a room, since only those who are in it may send there: it is joined first if
        it is not yet. It is the one given here, or the client's `room_id`, or the one joined room;
        failing these, the server is asked in which room the target is (which needs a key that may
        see who is connected). RealtimeError "no_room" if nobody knows. What is wrong with a signal
        comes as a message of type "error".
        """
        if room_id is None:
            room_id = await self._room_of(target_peer_id)
        room = self._rooms.get(room_id) or await self.join_room(room_id)
        await room.send_signal(
            signal_type, target_peer_id, sdp=sdp, ice_candidate=ice_candidate, **more
        )

    async def _room_of(self, target_peer_id: str | None) -> str:
        if self._room_id is not None:
            return self._room_id
        if len(self._rooms) == 1:
            return next(iter(self._rooms))
        detail = "say which room by room_id=, or join_room() first"
        if target_peer_id is not None and not self._rooms:
            try:
                answer = await self.get("/realtime/webrtc/connections")
            except RealtimeError as error:
                detail += f" (the server does not say where {target_peer_id} is: {error})"
            else:
                for peer in answer.get("connections") or []:
                    if peer.get("peer_id") == target_peer_id:
                        return str(peer["room_id"])
                detail = f"{target_peer_id} is in no room; {detail}"
        raise RealtimeError("no_room", detail, "room_id")

    # ---- REST, on the same server ----

    async def get(self, path: str, **options: Any) -> Any:
        """`path` is the server's, "/realtime/…"; `json=` a body and `params=` a query."""
        return await self.rest.get(path, **options)

    async def post(self, path: str, **options: Any) -> Any:
        return await self.rest.post(path, **options)

    async def put(self, path: str, **options: Any) -> Any:
        return await self.rest.put(path, **options)

    async def patch(self, path: str, **options: Any) -> Any:
        return await self.rest.patch(path, **options)

    async def delete(self, path: str, **options: Any) -> Any:
        return await self.rest.delete(path, **options)

    async def notifications(
        self,
        *,
        unread: bool = False,
        notification_type: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """One's stored notifications, newest first: {items, unread, next}; `next` is the cursor of
        the page behind, None at the end."""
        params = {
            "unread": "true" if unread else None,
            "notification_type": notification_type,
            "limit": limit,
            "cursor": cursor,
        }
        answer: dict[str, Any] = await self.get("/realtime/notifications", params=params)
        return answer

    async def mark_notification_read(self, notification_id: str | None = None) -> None:
        """One, or all."""
        one = f"/{notification_id}" if notification_id is not None else ""
        await self.post(f"/realtime/notifications{one}/read")

    async def files(
        self,
        *,
        channel: str | None = None,
        content_type: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """What one has uploaded, newest first: {items, next}; `content_type` may be `image/*`."""
        params = {
            "channel": channel,
            "content_type": content_type,
            "limit": limit,
            "cursor": cursor,
        }
        answer: dict[str, Any] = await self.get("/realtime/files", params=params)
        return answer

    async def download(self, message: Message) -> bytes:
        """The bytes of a `binary` message, wherever they are."""
        return await self.rest.download(message["url"]) if "url" in message else message.payload

    # ---- life ----

    async def close(self) -> None:
        for room_id in list(self._rooms):
            await self.leave_room(room_id)
        await super().close()

    # ---- what is spoken ----

    def _subprotocols(self) -> list[str]:
        return ["realtime.v1+bin", "realtime.v1"] if self.native_binary else ["realtime.v1"]

    def _is_expected(self) -> bool:
        return super()._is_expected() or bool(self._rooms)

    def _decode(self, frame: str | bytes) -> Message:
        if isinstance(frame, bytes):
            return Message.with_payload(*native.decode(frame))
        return super()._decode(frame)


def create_authenticated_client(
    url: str, token: TokenSource | None = None, *, api_key: str | None = None, **options: Any
) -> WSClient:
    """A WSClient that says who it is."""
    if token is None and api_key is None:
        raise ValueError("give a token or an API key")
    return WSClient(url, token=token, api_key=api_key, **options)
