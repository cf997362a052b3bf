"""Subscriptions over a connection that may be lost: asked for again, and nothing heard twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import RealtimeError
from ..models import Message
from .request_socket import RequestSocket, encode, fail, timed_out
from .socket import Outgoing
from .subscription import Position, Subscription

ANSWERS_ONLY = frozenset({"welcome", "pong", "ack", "subscribed"})
"""What is of no use but to what asked for it."""
TRANSIENT_CODES = frozenset(
    {"store_busy", "store_failed", "store_full", "out_of_memory", "rate_limited", "busy"}
)
NOTIFIED_MAX = 1000  # as many as the server keeps for a user


class ChannelSocket(RequestSocket):
    """Carries the subscriptions over from one connection to the next; each knows from where it goes
    on, and what is new to it."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._subscriptions: dict[str, Subscription] = {}
        self._asked: dict[int, Subscription] = {}  # on this connection, by the request's id
        self._timers: set[asyncio.TimerHandle] = set()
        self._notified: dict[str, None] = {}  # ids of the newest notifications, oldest first

    # ---- asking ----

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
            raise timed_out() from None
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

    def _send_subscribe(self, subscription: Subscription) -> None:
        request_id = next(self._ids)
        self._asked[request_id] = subscription
        body = {"type": "subscribe", "id": request_id, **subscription.ask()}
        self._queue(Outgoing(encode(body)))

    def _drop(self, subscription: Subscription) -> None:
        subscription.answer.cancel()
        if self._subscriptions.get(subscription.channel) is not subscription:
            return
        if subscription.older is not None:
            self._subscriptions[subscription.channel] = subscription.older
        else:
            del self._subscriptions[subscription.channel]

    # ---- what the server says ----

    def _is_awaited(self) -> bool:
        return super()._is_awaited() or bool(self._asked)

    def _is_expected(self) -> bool:
        return bool(self._subscriptions)

    def _on_welcome(self, message: Message) -> None:
        self._asked.clear()
        for subscription in self._subscriptions.values():
            self._send_subscribe(subscription)
        super()._on_welcome(message)

    def _on_loss(self, error: RealtimeError, is_over: bool) -> None:
        self._asked.clear()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        super()._on_loss(error, is_over)
        if is_over:
            for subscription in self._subscriptions.values():
                fail(subscription.answer, error)
            self._subscriptions.clear()

    async def _on_message(self, message: Message) -> None:
        kind = message.get("type")
        request_id = message.get("id")
        subscription = self._asked.pop(request_id, None) if isinstance(request_id, int) else None
        if subscription is not None:
            await self._on_subscribe_answer(subscription, message)
            return
        if self._take_answer(message):
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
                self._queue(Outgoing(encode({"type": "unsubscribe", "channel": channel})))
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
        fail(subscription.answer, error)
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
