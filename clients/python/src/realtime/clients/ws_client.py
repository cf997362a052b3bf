"""The client of /realtime/ws: channels, messages, bytes, notifications, presence."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import ssl as tls
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from .. import native
from ..backoff import Backoff
from ..credentials import Credentials, TokenSource
from ..errors import RealtimeError
from ..models import BinaryMessage, ChannelMessage, Message
from ..rest import RestClient
from .signaling_client import SignalingClient
from .socket import Outgoing, ReconnectingSocket
from .subscription import Position, Subscription

log = logging.getLogger("realtime.websocket")

ANSWERS_ONLY = frozenset({"welcome", "pong", "ack", "subscribed"})
"""What is of no use but to what asked for it."""
TRANSIENT_CODES = frozenset(
    {"store_busy", "store_failed", "store_full", "out_of_memory", "rate_limited", "busy"}
)
REPEATABLE = frozenset({"history", "presence"})  # they change nothing
TEXT_EXTRA, META_EXTRA = 65536, 16400  # bytes around those of a message
NOTIFIED_MAX = 1000  # as many as the server keeps for a user
REFRESH_AT = 0.8  # of a token's remaining life
REFRESH_PAUSE_S = 1.0  # at least, between two


@dataclass(eq=False)
class _Request:
    outgoing: Outgoing
    answer: asyncio.Future[Message]
    is_repeatable: bool  # asking twice does no harm: it has an idempotency_key


class WSClient(ReconnectingSocket):
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
        self.connection_id: str | None = None
        self.user_id: str | None = None
        self._send_limit: int | None = None  # bytes; the server's
        self._ids = itertools.count(1)
        self._requests: dict[int, _Request] = {}
        self._subscriptions: dict[str, Subscription] = {}
        self._asked: dict[int, Subscription] = {}  # on this connection, by the request's id
        self._refreshing: asyncio.Task[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._notified: dict[str, None] = {}  # ids of the newest notifications, oldest first
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

    async def ping(self, *, timeout: float | None = None) -> float:
        """Seconds to the server and back."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.request("ping", timeout=timeout)
        return loop.time() - began

    async def request(self, kind: str, *, timeout: float | None = None, **fields: Any) -> Message:
        """Send a message of any type and wait for what answers it. Fields that are None are left
        out, except `data` of a message."""
        body = {"type": kind}
        for name, value in fields.items():
            if value is not None or (name == "data" and kind != "notification"):
                body[name] = value
        return await self._ask(
            lambda request_id: _encode({**body, "id": request_id}),
            timeout,
            kind in REPEATABLE or fields.get("idempotency_key") is not None,
        )

    # ---- channels ----

    async def subscribe_to_channel(
        self,
        channel: str,
        filters: dict[str, Any] | None = None,
        *,
        history: int | None = None,
        presence: bool = False,
        join_leave: bool = False,
        info: Any = None,
        recover: Mapping[str, Any] | None = None,
        timeout: float | None = None,
    ) -> Message:
        """Hear a channel from now on, the newest stored messages of it first (`history` of them at
        most). Returns the server's `subscribed`.

        `filters` are `binary_data` (bool), `max_file_size` (bytes), `allowed_types` (media ranges)
        and `notification_types`. `presence` asks for a list of who is there, `join_leave` for who
        comes and goes, and `info` is what others read of us in both. `recover` is the last message
        that was dealt with earlier, or its {epoch, offset}, perhaps by another run of the program:
        what came after it is replayed. `*` in the name stands for any run of characters, where the
        server allows that; what was missed of such a pattern is not replayed.
        """
        options: dict[str, Any] = {}
        if filters:
            options["filters"] = filters
        if history is not None:
            options["history"] = {"limit": history}
        if presence:
            options["presence"] = True
        if join_leave:
            options["join_leave"] = True
        if info is not None:
            options["info"] = info
        subscription = Subscription(channel, options, asyncio.get_running_loop().create_future())
        if channel in self._subscriptions:
            subscription.take_over(self._subscriptions[channel])
        if recover is not None:
            subscription.resume_at(Position(str(recover["epoch"]), int(recover["offset"])))
        self._check_open()
        self._subscriptions[channel] = subscription
        if self.is_connected:
            self._send_subscribe(subscription)
        try:
            async with asyncio.timeout(self.request_timeout if timeout is None else timeout):
                return await asyncio.shield(subscription.answer)
        except TimeoutError:
            self._drop(subscription)
            raise _timed_out() from None
        except BaseException:
            self._drop(subscription)
            raise

    subscribe = subscribe_to_channel

    async def unsubscribe(self, channel: str, *, timeout: float | None = None) -> None:
        if self._subscriptions.pop(channel, None) is None or not self.is_connected:
            return
        try:
            await self.request("unsubscribe", channel=channel, timeout=timeout)
        except RealtimeError as error:
            if error.code not in ("disconnected", "not_subscribed"):  # then it has ended, too
                raise

    async def history(
        self,
        channel: str,
        limit: int = 100,
        *,
        since: Mapping[str, Any] | None = None,
        reverse: bool = False,
        timeout: float | None = None,
    ) -> list[Message]:
        """Stored messages, oldest first: the newest `limit`, or those after a position."""
        answer = await self.request(
            "history",
            channel=channel,
            limit=limit,
            since=dict(since) if since else None,
            reverse=reverse or None,
            timeout=timeout,
        )
        return [Message(message) for message in answer.get("messages") or []]

    async def presence(self, channel: str, *, timeout: float | None = None) -> Message:
        """Who is there: {members, version}."""
        return await self.request("presence", channel=channel, timeout=timeout)

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
        by the token of an invite."""
        if room_id not in self._rooms:
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
        room = await self.join_room(room_id)
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

    # ---- requests ----

    def _check_open(self) -> None:
        if not self.is_open:
            raise self._ended or RealtimeError("closed", "connect() first: the client is closed")

    async def _ask(
        self,
        make_frame: Callable[[int], str | bytes],
        timeout: float | None,
        is_repeatable: bool,
    ) -> Message:
        self._check_open()
        request_id = next(self._ids)
        frame = make_frame(request_id)
        self._check_size(frame)
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        request = _Request(Outgoing(frame), answer, is_repeatable)
        self._requests[request_id] = request
        if self.is_connected:
            self._queue(request.outgoing)
        try:
            async with asyncio.timeout(self.request_timeout if timeout is None else timeout):
                return await answer
        except TimeoutError:
            raise _timed_out() from None
        finally:
            del self._requests[request_id]

    def _check_size(self, frame: str | bytes) -> None:
        """The server closes the connection of whoever sends too much, for whatever else was
        under way there as well."""
        if self._send_limit is None:
            return
        is_text = isinstance(frame, str)
        # The limit is one of bytes as they are; base64 makes four characters of three.
        limit = self._send_limit * 4 // 3 + TEXT_EXTRA if is_text else self._send_limit + META_EXTRA
        size = len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())
        if size > limit:
            detail = f"more than the {self._send_limit} bytes that the server takes"
            raise RealtimeError("message_too_big", detail)

    def _send_subscribe(self, subscription: Subscription) -> None:
        request_id = next(self._ids)
        self._asked[request_id] = subscription
        body = {"type": "subscribe", "id": request_id, **subscription.ask()}
        self._queue(Outgoing(_encode(body)))

    def _drop(self, subscription: Subscription) -> None:
        subscription.answer.cancel()
        if self._subscriptions.get(subscription.channel) is not subscription:
            return
        if subscription.older is not None:
            self._subscriptions[subscription.channel] = subscription.older
        else:
            del self._subscriptions[subscription.channel]

    # ---- what the server says ----

    def _subprotocols(self) -> list[str]:
        return ["realtime.v1+bin", "realtime.v1"] if self.native_binary else ["realtime.v1"]

    def _is_greeting(self, message: Message) -> bool:
        return bool(message.get("type") == "welcome")

    def _is_awaited(self) -> bool:
        return bool(self._requests) or bool(self._asked)

    def _is_expected(self) -> bool:
        return bool(self._subscriptions) or bool(self._rooms)

    def _decode(self, frame: str | bytes) -> Message:
        if isinstance(frame, bytes):
            return Message.with_payload(*native.decode(frame))
        return super()._decode(frame)

    def _on_welcome(self, message: Message) -> None:
        self.connection_id = message.get("connection_id")
        self.user_id = message.get("user_id")
        self._send_limit = message.get("max_message_size")
        self._ping_interval_s = float(message.get("ping_interval") or self._ping_interval_s)
        self._outgoing.clear()
        self._asked.clear()
        for subscription in self._subscriptions.values():
            self._send_subscribe(subscription)
        for request in self._requests.values():
            request.outgoing.is_sent = False
            self._queue(request.outgoing)
        self._plan_refresh(message)

    def _on_loss(self, error: RealtimeError, is_over: bool) -> None:
        self.connection_id = None
        self._asked.clear()
        if self._refreshing:
            self._refreshing.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for request in self._requests.values():
            if is_over:
                _fail(request.answer, error)
            elif request.outgoing.is_sent and not request.is_repeatable:
                detail = "the connection was lost before the answer; it may have been done or not"
                _fail(request.answer, RealtimeError("disconnected", detail))
        if is_over:
            for subscription in self._subscriptions.values():
                _fail(subscription.answer, error)
            self._subscriptions.clear()

    async def _on_message(self, message: Message) -> None:
        kind = message.get("type")
        request_id = message.get("id")
        subscription = self._asked.pop(request_id, None) if isinstance(request_id, int) else None
        if subscription is not None:
            await self._on_subscribe_answer(subscription, message)
            return
        request = self._requests.get(request_id) if isinstance(request_id, int) else None
        if request is not None:
            if kind == "error":
                _fail(request.answer, RealtimeError.from_message(message))
            elif not request.answer.done():
                request.answer.set_result(message)
            return
        if kind == "unsubscribed":
            self._subscriptions.pop(str(message.get("channel")), None)
        if kind in ANSWERS_ONLY or request_id is not None or not self._is_new(message):
            return
        await self._inbox.put(message)

    def _is_new(self, message: Message) -> bool:
        if message.get("type") not in ("message", "binary", "notification"):
            return True
        if message.get("type") == "notification" and not self._is_new_notification(message):
            return False
        channel = message.get("channel")
        if not isinstance(channel, str):
            return True
        exact = self._subscriptions.get(channel)
        if exact is not None:
            return exact.accept(message)
        for subscription in self._subscriptions.values():
            if subscription.covers(channel):
                return subscription.accept(message)
        return True

    def _is_new_notification(self, message: Message) -> bool:
        """A user's notifications come without being asked for, and again to the next connection
        if the server died before it noted that they had been delivered."""
        notification_id = message.get("notification_id")
        if not isinstance(notification_id, str):
            return True
        is_new = notification_id not in self._notified
        self._notified[notification_id] = None
        if len(self._notified) > NOTIFIED_MAX:
            del self._notified[next(iter(self._notified))]
        return is_new

    async def _on_subscribe_answer(self, subscription: Subscription, message: Message) -> None:
        channel = subscription.channel
        if self._subscriptions.get(channel) is not subscription:
            if channel not in self._subscriptions and message.get("type") == "subscribed":
                self._queue(Outgoing(_encode({"type": "unsubscribe", "channel": channel})))
            return  # nobody waits for it any more
        if message.get("type") == "error":
            await self._on_subscribe_refused(subscription, message)
            return
        lost = subscription.start(message)
        if not subscription.answer.done():
            subscription.answer.set_result(message)
        if lost is not None:
            await self._inbox.put(Message(type="gap", channel=channel, reason=lost))

    async def _on_subscribe_refused(self, subscription: Subscription, message: Message) -> None:
        error = RealtimeError.from_message(message)
        was_there = subscription.answer.done()
        if was_there and (error.code in TRANSIENT_CODES or error.retry_after is not None):
            self._later(
                self._backoff.first_s + (error.retry_after or 0),
                lambda: self._send_again(subscription),
            )
            return
        _fail(subscription.answer, error)
        self._drop(subscription)
        if was_there:
            await self._inbox.put(
                Message(
                    type="unsubscribed",
                    channel=subscription.channel,
                    code=error.code,
                    reason=error.detail,
                )
            )

    def _send_again(self, subscription: Subscription) -> None:
        if self._subscriptions.get(subscription.channel) is subscription and self.is_connected:
            self._send_subscribe(subscription)

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            action()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(timer)

    # ---- staying who we are ----

    def _plan_refresh(self, welcome: Message) -> None:
        expires_at, server_time = welcome.get("expires_at"), welcome.get("server_time")
        if self.credentials.can_refresh and expires_at and server_time:
            # Our clock may be wrong; the server's is what counts.
            skew_ms = server_time - time.time() * 1000
            self._refreshing = asyncio.create_task(self._refresh(expires_at, skew_ms))

    async def _refresh(self, expires_at: int | None, skew_ms: float) -> None:
        delay_s = 0.0
        while expires_at:
            left_s = (expires_at - skew_ms) / 1000 - time.time()
            await asyncio.sleep(max(delay_s, left_s * REFRESH_AT))
            delay_s = REFRESH_PAUSE_S
            try:
                answer = await self.request("refresh", token=await self.credentials.token())
            except RealtimeError as error:
                log.warning("the token could not be refreshed: %s", error)
                continue  # soon again; when it is too late, the next connection has a new one
            expires_at = answer.get("expires_at")


def create_authenticated_client(
    url: str, token: TokenSource | None = None, *, api_key: str | None = None, **options: Any
) -> WSClient:
    """A WSClient that says who it is."""
    if token is None and api_key is None:
        raise ValueError("give a token or an API key")
    return WSClient(url, token=token, api_key=api_key, **options)


def _encode(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _fail(future: asyncio.Future[Message], error: RealtimeError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waited may have gone


def _timed_out() -> RealtimeError:
    return RealtimeError("timeout", "the server did not answer in time")
