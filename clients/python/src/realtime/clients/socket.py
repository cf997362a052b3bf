"""A WebSocket that comes back by itself, whatever is spoken over it."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl as tls
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake

# What Debian 12 has; later releases keep it under this name, beside one that differs.
from websockets.legacy.client import WebSocketClientProtocol, connect

from ..backoff import Backoff
from ..credentials import Credentials
from ..errors import CLOSE_CODE_NAMES, FINAL_CLOSE_CODES, RealtimeError, seconds
from ..models import Message
from .inbox import Handler, Inbox

PING_INTERVAL_S = 30.0  # until the server has said another
STEADY_S = 5.0  # a connection that held for so long has earned a quick first retry
PROBLEM_MAX = 65536
# At debug the library logs the headers of a handshake, and tokens are among them.
_library_log = logging.getLogger("realtime.library")
_library_log.setLevel(logging.INFO)
FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 410, 426})


@dataclass
class Outgoing:
    frame: str | bytes
    is_sent: bool = False  # or was tried to be: the server may have it


class _Protocol(WebSocketClientProtocol):
    """Reads why a handshake was refused, too, which the library leaves unread."""

    async def read_http_response(self) -> tuple[int, Headers]:
        status, headers = await super().read_http_response()
        if status < 400:
            return status, headers
        try:
            length = int(headers.get("Content-Length", "0"))
            body = await self.reader.readexactly(min(length, PROBLEM_MAX))
            problem = json.loads(body)
        except (ValueError, EOFError, OSError):
            problem = None
        raise RealtimeError.from_problem(status, problem, headers.get("Retry-After"))


class ReconnectingSocket:
    """Connects, waits for the first message that says we are in (_is_greeting()), and connects
    again after a loss, with back-off, unless the server's close code is final. It ends by close()
    or by a final refusal, after which iterations raise it."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        ssl: tls.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        open_timeout: float = 10.0,
        request_timeout: float = 10.0,
        queue_size: int = 1000,
        max_message_size: int = 128 * 1024 * 1024,
        backoff: Backoff | None = None,
        log: logging.Logger,
    ) -> None:
        if urlsplit(url).scheme not in ("ws", "wss") or not urlsplit(url).hostname:
            raise ValueError(f"not an address of a WebSocket: {url!r}")
        self.url = url
        self.credentials = credentials
        self.request_timeout = request_timeout
        self._ssl, self._headers = ssl, dict(headers or {})
        self._open_timeout, self._max_message_size = open_timeout, max_message_size
        self._backoff = backoff or Backoff()
        self._log = log
        self._inbox = Inbox(
            queue_size, log, is_awaited=self._is_awaited, is_expected=self._is_expected
        )
        self._outgoing: deque[Outgoing] = deque()
        self._has_outgoing = asyncio.Event()
        self._welcomed = asyncio.Event()
        self._running: asyncio.Task[None] | None = None
        self._ended: RealtimeError | None = None  # why it is over for good
        self._last_loss: RealtimeError | None = None
        self._last_refusal: Message | None = None  # an `error` before we were in
        self._is_final = False  # the server has said not to come back
        self._retry_after_s = 0.0
        self._ping_interval_s = PING_INTERVAL_S

    # ---- what is spoken: for subclasses ----

    def _address(self) -> str:
        return self.url

    def _subprotocols(self) -> list[str]:
        return ["realtime.v1"]

    def _is_greeting(self, message: Message) -> bool:
        raise NotImplementedError

    def _on_welcome(self, message: Message) -> None:
        """We are in: queue what is to be said first."""

    async def _on_message(self, message: Message) -> None:
        await self._inbox.put(message)

    def _decode(self, frame: str | bytes) -> Message:
        if isinstance(frame, bytes):
            raise ValueError("bytes are not expected here")
        value = json.loads(frame)
        if not isinstance(value, dict):
            raise ValueError("a message is an object")
        return Message(value)

    def _on_loss(self, error: RealtimeError, is_over: bool) -> None:
        """The connection is gone; no other is coming if it is over."""

    def _is_awaited(self) -> bool:
        return False

    def _is_expected(self) -> bool:
        return True

    # ---- life ----

    @property
    def is_connected(self) -> bool:
        return self._welcomed.is_set()

    @property
    def is_open(self) -> bool:
        """Connected, or about to be again."""
        return self._running is not None

    def _check_open(self) -> None:
        if not self.is_open:
            raise self._ended or RealtimeError("closed", "connect() first: the client is closed")

    async def connect(self) -> None:
        """Returns when the server has welcomed us. RealtimeError if it refuses for good, or does
        not do so in time; in the meantime attempts are repeated."""
        if self._running is None:
            self._ended = None
            self._inbox.open()
            self._running = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._wait_until_welcomed()
        except TimeoutError:
            await self.close()
            why = f": {self._last_loss.detail}" if self._last_loss else ""
            raise RealtimeError(
                "unreachable", f"no welcome from {self.url} in {self._open_timeout:g} s{why}"
            ) from None
        except BaseException:
            await self.close()
            raise

    async def _wait_until_welcomed(self) -> None:
        assert self._running
        waiting = asyncio.create_task(self._welcomed.wait())
        try:
            await asyncio.wait({waiting, self._running}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._ended:
            raise self._ended

    async def close(self) -> None:
        """Leave. What has been received and not yet read can still be iterated over."""
        running, self._running = self._running, None
        if running is not None and running is not asyncio.current_task():
            running.cancel()
            await asyncio.wait({running})
        self._finish(RealtimeError("closed", "the client was closed"), is_error=False)

    async def wait_closed(self) -> None:
        """Returns when it is over for good; raises the refusal if that is why."""
        if self._running is not None:
            await asyncio.wait({self._running})
        if self._ended:
            raise self._ended

    def _finish(self, error: RealtimeError, *, is_error: bool) -> None:
        self._welcomed.clear()
        self._outgoing.clear()
        if is_error:
            self._ended = error
        self._on_loss(error, True)
        self._inbox.close(error if is_error else None)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- messages ----

    def on_message(self, handler: Handler) -> Handler:
        """Call `handler`, a function or a coroutine function, with every message. Messages are
        given one by one, in order; a slow handler holds up the next ones but not answers to
        requests, so it may await send_*(). Returns the handler: it serves as a decorator."""
        self._inbox.on(None, handler)
        return handler

    def on(self, kind: str, handler: Handler) -> Handler:
        """The same for one type of messages, such as "notification"."""
        self._inbox.on(kind, handler)
        return handler

    def off(self, handler: Handler) -> None:
        self._inbox.off(handler)

    def messages(self) -> AsyncIterator[Message]:
        """Iterate over messages. Of several loops each message goes to one."""
        return self._inbox.messages()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self._inbox.messages()

    def _queue(self, outgoing: Outgoing) -> None:
        """To be sent in this order, as soon as there is a connection."""
        self._outgoing.append(outgoing)
        self._has_outgoing.set()
        self._inbox.wake()  # an answer may be waited for now

    # ---- the connection ----

    async def _run(self) -> None:
        try:
            await self._run_connections()
        except Exception as problem:  # a mistake of ours must not leave others waiting for ever
            self._log.exception("the client has failed")
            self._running = None
            error = RealtimeError("failed", f"the client has failed: {problem}")
            self._finish(error, is_error=True)

    async def _run_connections(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                error = await self._live()
            except RealtimeError as refusal:
                error = refusal
            except (OSError, InvalidHandshake, EOFError) as problem:
                error = _refusal_of(problem)
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # close() came in the same turn as the loss, which the library told us of instead.
                raise asyncio.CancelledError
            was_welcomed = self._welcomed.is_set()
            is_over = self._is_over(error, was_welcomed)
            self._last_loss = error
            if is_over:
                self._running = None
                self._log.warning("the server has ended the connection: %s", error)
                self._finish(error, is_error=True)
                return
            self._welcomed.clear()
            self._on_loss(error, False)
            if was_welcomed and loop.time() - began > STEADY_S:
                self._backoff.reset()
            delay = self._backoff.next_s(error.retry_after or self._retry_after_s)
            self._retry_after_s = 0.0
            self._log.info("connection lost (%s); trying again in %.1f s", error, delay)
            await asyncio.sleep(delay)

    def _is_over(self, error: RealtimeError, was_welcomed: bool) -> bool:
        if error.close_code == 4401 and was_welcomed and self.credentials.can_refresh:
            return False  # the token ran out, and there are fresh ones
        return (
            self._is_final
            or error.close_code in FINAL_CLOSE_CODES
            or error.status in FINAL_STATUSES
        )

    async def _live(self) -> RealtimeError:
        """From connecting to the loss; says why it was lost."""
        self._last_refusal, self._is_final = None, False
        options: dict[str, Any] = {
            "extra_headers": {**self._headers, **await self.credentials.headers()},
            "subprotocols": self._subprotocols(),
            "max_size": self._max_message_size,
            "ping_interval": None,  # ours knows the server's interval, and when we hold it up
            "open_timeout": self._open_timeout,
            "close_timeout": 2,
            "create_protocol": _Protocol,
            "logger": _library_log,
        }
        if self._ssl is not None:
            options["ssl"] = self._ssl
        async with connect(self._address(), **options) as socket:
            tasks = [
                asyncio.create_task(self._write(socket)),
                asyncio.create_task(self._keep_alive(socket)),
            ]
            try:
                return await self._read(socket)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: Any) -> RealtimeError:
        while True:
            try:
                frame = await socket.recv()
            except ConnectionClosed as closed:
                return self._loss_of(closed)
            try:
                message = self._decode(frame)
            except ValueError as error:
                self._log.warning("a message that is none of ours is passed over: %s", error)
                continue
            if not self._welcomed.is_set():
                if message.get("type") == "error":
                    self._last_refusal = message
                elif self._is_greeting(message):
                    self._last_refusal = None
                    self._outgoing.clear()  # of another connection, perhaps of another call
                    self._on_welcome(message)
                    self._welcomed.set()
                    self._has_outgoing.set()
            if message.get("type") == "disconnect":
                self._is_final = message.get("reconnect") is False
                self._retry_after_s = seconds(message.get("retry_after")) or 0.0
            await self._on_message(message)

    async def _write(self, socket: Any) -> None:
        while True:
            await self._welcomed.wait()
            while self._outgoing:
                outgoing = self._outgoing.popleft()
                outgoing.is_sent = True
                try:
                    await socket.send(outgoing.frame)
                except ConnectionClosed:
                    return  # _read() knows as well, and why
            self._has_outgoing.clear()
            await self._has_outgoing.wait()

    async def _keep_alive(self, socket: Any) -> None:
        """A peer that vanished says nothing. One that has no welcome for us in time, or no answer
        to a ping, is left without a goodbye: nobody would hear it."""
        try:
            async with asyncio.timeout(self._open_timeout):
                await self._welcomed.wait()
            while True:
                await asyncio.sleep(self._ping_interval_s)
                if not self._inbox.is_held:  # else its pong is behind what we do not read
                    await self._expect_pong(socket)
        except ConnectionClosed:
            return
        except TimeoutError:
            self._log.info("the server is silent")
            socket.transport.abort()

    async def _expect_pong(self, socket: Any) -> None:
        pong = await socket.ping()
        try:
            # Not wait_for(): before Python 3.12 it may swallow a cancellation.
            async with asyncio.timeout(self._ping_interval_s):
                await pong
        except TimeoutError:
            if not self._inbox.is_held:
                raise

    def _loss_of(self, closed: ConnectionClosed) -> RealtimeError:
        code = closed.rcvd.code if closed.rcvd else 1006
        reason = closed.rcvd.reason if closed.rcvd else ""
        if self._last_refusal is not None:
            return RealtimeError.from_message(self._last_refusal, close_code=code)
        name = CLOSE_CODE_NAMES.get(code, "disconnected")
        detail = reason or "the connection was lost"
        return RealtimeError(name, f"{detail} ({code})", close_code=code)


def _refusal_of(problem: Exception) -> RealtimeError:
    """What went wrong before there was a WebSocket."""
    return RealtimeError("unreachable", str(problem) or type(problem).__name__)
