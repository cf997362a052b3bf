"""Requests and their answers over a connection that may be lost in between."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RealtimeError
from ..models import Message
from .socket import Outgoing, ReconnectingSocket

REPEATABLE = frozenset({"history", "presence"})  # they change nothing
TEXT_EXTRA, META_EXTRA = 65536, 16400  # bytes around those of a message
REFRESH_AT = 0.8  # of a token's remaining life
REFRESH_PAUSE_S = 1.0  # at least, between two


@dataclass(eq=False)
class _Request:
    outgoing: Outgoing
    answer: asyncio.Future[Message]
    is_repeatable: bool  # asking twice does no harm: it has an idempotency_key


class RequestSocket(ReconnectingSocket):
    """What is sent with an `id` is answered with it. A request that was sent on a connection that
    was lost fails, or is sent again on the next one if that does no harm; one that was not sent yet
    waits for it. The request that is made without anybody asking is for a fresh token."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.connection_id: str | None = None
        self.user_id: str | None = None
        self._send_limit: int | None = None  # bytes; the server's
        self._ids = itertools.count(1)
        self._requests: dict[int, _Request] = {}
        self._refreshing: asyncio.Task[None] | None = None

    async def request(self, kind: str, *, timeout: float | None = None, **fields: Any) -> Message:
        """Send a message of any type and wait for what answers it. Fields that are None are left
        out, except `data` of a message."""
        body = {"type": kind}
        for name, value in fields.items():
            if value is not None or (name == "data" and kind != "notification"):
                body[name] = value
        return await self._ask(
            lambda request_id: encode({**body, "id": request_id}),
            timeout,
            kind in REPEATABLE or fields.get("idempotency_key") is not None,
        )

    async def ping(self, *, timeout: float | None = None) -> float:
        """Seconds to the server and back."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self.request("ping", timeout=timeout)
        return loop.time() - began

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
            raise timed_out() from None
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

    # ---- what the server says ----

    def _is_greeting(self, message: Message) -> bool:
        return bool(message.get("type") == "welcome")

    def _is_awaited(self) -> bool:
        return bool(self._requests)

    def _on_welcome(self, message: Message) -> None:
        self.connection_id = message.get("connection_id")
        self.user_id = message.get("user_id")
        self._send_limit = message.get("max_message_size")
        self._ping_interval_s = float(message.get("ping_interval") or self._ping_interval_s)
        for request in self._requests.values():
            request.outgoing.is_sent = False
            self._queue(request.outgoing)
        self._plan_refresh(message)

    def _on_loss(self, error: RealtimeError, is_over: bool) -> None:
        self.connection_id = None
        if self._refreshing:
            self._refreshing.cancel()
        for request in self._requests.values():
            if is_over:
                fail(request.answer, error)
            elif request.outgoing.is_sent and not request.is_repeatable:
                detail = "the connection was lost before the answer; it may have been done or not"
                fail(request.answer, RealtimeError("disconnected", detail))

    def _take_answer(self, message: Message) -> bool:
        """False: it answers no request that is still waited for."""
        request_id = message.get("id")
        request = self._requests.get(request_id) if isinstance(request_id, int) else None
        if request is None:
            return False
        if message.get("type") == "error":
            fail(request.answer, RealtimeError.from_message(message))
        elif not request.answer.done():
            request.answer.set_result(message)
        return True

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
                self._log.warning("the token could not be refreshed: %s", error)
                continue  # soon again; when it is too late, the next connection has a new one
            expires_at = answer.get("expires_at")


def encode(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def fail(future: asyncio.Future[Message], error: RealtimeError) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # whoever waited may have gone


def timed_out() -> RealtimeError:
    return RealtimeError("timeout", "the server did not answer in time")
