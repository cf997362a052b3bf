"""The client of /realtime/events: messages of channels, one way, over plain HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl as tls
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlencode, urlsplit

from .. import http
from ..backoff import Backoff
from ..credentials import Credentials, TokenSource
from ..errors import RealtimeError
from ..models import ServerEvent
from ..sse import EventParser

log = logging.getLogger("realtime.sse")

FINAL_STATUSES = frozenset({400, 401, 403, 404, 405, 410})
IDLE_TIMEOUT_S = 60.0  # the server's comments come every 15 s unless it is set otherwise


@dataclass
class _Stream:
    connection: AsyncExitStack
    chunks: AsyncIterator[bytes]
    parser: EventParser
    events: deque[ServerEvent] = field(default_factory=deque)  # parsed, not given out yet


class SSEClient:
    """An event stream that is kept up and resumed where it was:

        async with SSEClient(url, channel="news") as client:
            async for event in client.events():
                print(event.event, event.data)

    The connection is there when the block begins, so nothing is missed between that and the loop.
    `event.data` is the object that WebSocket clients get. Iteration ends when the client is closed
    or the server sends it away for good (204, or `disconnect` without `reconnect`, unless a token
    ran out and `token` is a function, which gives the next one); a refusal raises RealtimeError.
    `last_event_id` may be given, to resume an earlier run; "earliest" asks for all that is stored.
    `client.last_event_id` moves with the events that were given out.
    """

    def __init__(
        self,
        url: str,
        channel: str | Sequence[str] = (),
        *,
        channels: Sequence[str] = (),
        token: TokenSource | None = None,
        api_key: str | None = None,
        last_event_id: str = "",
        ssl: tls.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        open_timeout: float = 10.0,
        idle_timeout: float = IDLE_TIMEOUT_S,
        backoff: Backoff | None = None,
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"not an address of HTTP: {url!r}")
        self.url = url
        self.channels = [channel] if isinstance(channel, str) else [*channel]
        self.channels += channels
        self.credentials = Credentials(token, api_key)
        self.last_event_id = last_event_id
        self._ssl, self._headers = ssl, dict(headers or {})
        self._open_timeout, self._idle_timeout = open_timeout, idle_timeout
        self._backoff = backoff or Backoff()
        self._retry_s = 0.0  # asked for by the server
        self._stream: _Stream | None = None
        self._is_over = False
        self._closed = asyncio.Event()

    # ---- life ----

    async def connect(self) -> None:
        """Returns when the stream has begun. RealtimeError if it is refused, or does not begin in
        time; in the meantime attempts are repeated."""
        self._is_over = False
        self._closed.clear()
        last: RealtimeError | None = None
        try:
            async with asyncio.timeout(self._open_timeout):
                while self._stream is None and not self._is_over:
                    try:
                        await self._open()
                    except RealtimeError as error:
                        if error.status in FINAL_STATUSES:
                            raise
                        last = error
                        await asyncio.sleep(self._backoff.next_s(error.retry_after or 0))
        except TimeoutError:
            detail = f"no stream from {self.url} in {self._open_timeout:g} s"
            raise RealtimeError(
                "unreachable", f"{detail}: {last.detail}" if last else detail
            ) from None

    async def close(self) -> None:
        self._is_over = True
        self._closed.set()
        await self._hang_up()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    # ---- events ----

    async def events(self) -> AsyncIterator[ServerEvent]:
        while not self._is_over:
            error: Exception
            try:
                if self._stream is None:
                    await self._open()
                while self._stream is not None and (event := await self._next(self._stream)):
                    yield event
                    if self._is_over:
                        return
                if self._is_over:
                    return
                error = RealtimeError("disconnected", "the stream has ended")
            except RealtimeError as refusal:
                if refusal.status in FINAL_STATUSES:
                    raise
                error = refusal
            except (OSError, ValueError) as problem:
                error = problem
            await self._hang_up()
            await self._pause(error)

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self.events()

    async def _pause(self, error: Exception) -> None:
        retry_after = error.retry_after if isinstance(error, RealtimeError) else None
        delay = self._backoff.next_s(retry_after or 0)
        if self._retry_s:  # the server's own word, but not all clients at once
            delay = max(delay, self._retry_s * random.uniform(0.5, 1))
        log.info("stream lost (%s); trying again in %.1f s", error or type(error).__name__, delay)
        try:
            async with asyncio.timeout(delay):
                await self._closed.wait()
        except TimeoutError:
            pass

    async def _next(self, stream: _Stream) -> ServerEvent | None:
        """None at the end of the connection. What is parsed and not given out yet stays in the
        stream, for a loop that goes on where another left off."""
        while not stream.events:
            chunk = await anext(stream.chunks, None)
            if chunk is None:
                return None
            self._backoff.reset()
            stream.events.extend(stream.parser.feed(chunk))
            if not stream.events:
                self.last_event_id = stream.parser.last_event_id
            if stream.parser.retry_s is not None:
                self._retry_s = stream.parser.retry_s
        event = stream.events.popleft()
        if _is_farewell(event):
            # Its id is for browsers, whom it keeps from coming back; the stream ends behind it.
            may_renew = event.data.get("code") == "token_expired" and self.credentials.can_refresh
            self._is_over = not may_renew
        else:
            self.last_event_id = event.id
        return event

    # ---- the connection ----

    async def _open(self) -> None:
        query = urlencode([("channel", channel) for channel in self.channels])
        joint = "&" if "?" in self.url else "?"
        headers = {
            "Accept": "text/event-stream",
            **self._headers,
            **await self.credentials.headers(),
        }
        if self.last_event_id:
            headers["Last-Event-ID"] = self.last_event_id
        stack = AsyncExitStack()
        try:
            response = await stack.enter_async_context(
                http.request(
                    "GET",
                    f"{self.url}{joint}{query}" if query else self.url,
                    headers=headers,
                    ssl=self._ssl,
                    timeout=self._open_timeout,
                )
            )
            await self._check(response)
        except OSError as error:
            await stack.aclose()
            detail = f"{self.url} does not answer: {error or type(error).__name__}"
            raise RealtimeError("unreachable", detail) from error
        except BaseException:
            await stack.aclose()
            raise
        if self._is_over:
            await stack.aclose()
            return
        self._stream = _Stream(
            stack, response.chunks(self._idle_timeout), EventParser(self.last_event_id)
        )

    async def _check(self, response: http.Response) -> None:
        if response.status == 204:
            self._is_over = True
        elif response.status != 200:
            raise RealtimeError.from_problem(
                response.status,
                _problem(await response.read(65536, self._open_timeout)),
                response.headers.get("retry-after"),
            )
        elif not response.headers.get("content-type", "").startswith("text/event-stream"):
            raise RealtimeError("bad_answer", f"{self.url} is no event stream", status=404)

    async def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.connection.aclose()


def _is_farewell(event: ServerEvent) -> bool:
    return (
        event.event == "disconnect"
        and isinstance(event.data, dict)
        and event.data.get("reconnect") is False
    )


def _problem(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        return None


def create_sse_client(
    url: str,
    channel: str | Sequence[str] = (),
    token: TokenSource | None = None,
    **options: object,
) -> SSEClient:
    """An SSEClient; see there for what else may be given."""
    return SSEClient(url, channel, token=token, **options)  # type: ignore[arg-type]
