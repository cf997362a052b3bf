"""Between the connection that brings messages and the code that wants them."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ..errors import RealtimeError
from ..models import Message

Handler = Callable[[Message], Awaitable[Any] | Any]

OVERFLOW_FACTOR = 8


class Inbox:
    """A bounded queue with two ways out, callbacks and iteration.

    Every message is given to the callbacks first, one message after the other, and then to one
    iteration, if one is going on. With neither it waits: what comes between subscribing and the
    start of a loop, or between two loops, is not lost.

    A full queue holds up whoever puts, and so, in the end, the server. While a request is being
    waited for (`is_awaited`) it may overflow, since the answer comes behind the messages; and
    where nobody asked for messages (not `is_expected`) the oldest make room.
    """

    def __init__(
        self,
        limit: int,
        log: logging.Logger,
        *,
        is_awaited: Callable[[], bool],
        is_expected: Callable[[], bool],
    ) -> None:
        self._limit, self._log = limit, log
        self._is_awaited, self._is_expected = is_awaited, is_expected
        self._messages: deque[Message] = deque()
        self._handlers: list[tuple[str | None, Handler]] = []
        self._loops = 0
        self._is_busy = False  # somebody is giving the first message to the callbacks
        self._is_closed = False
        self._error: RealtimeError | None = None
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self.is_held = False  # somebody waits to put

    def on(self, kind: str | None, handler: Handler) -> None:
        self._handlers.append((kind, handler))
        self.wake()

    def off(self, handler: Handler) -> None:
        self._handlers = [entry for entry in self._handlers if entry[1] != handler]

    def wake(self) -> None:
        """Something that others wait for may have changed."""
        self._changed.set()
        self._changed.clear()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    # ---- in ----

    def _has_room(self) -> bool:
        count = len(self._messages)
        if count < self._limit or self._is_closed or not self._is_wanted():
            return True
        return self._is_awaited() and count < OVERFLOW_FACTOR * self._limit

    def _is_wanted(self) -> bool:
        return bool(self._handlers) or self._loops > 0 or self._is_expected()

    async def put(self, message: Message) -> None:
        self.is_held = not self._has_room()
        try:
            await self._until(self._has_room)
        finally:
            self.is_held = False
        if self._is_closed:
            return
        self._messages.append(message)
        if len(self._messages) > self._limit and not self._is_wanted():
            self._messages.popleft()
            self._log.warning("nobody reads the messages of this client; the oldest is dropped")
        self.wake()

    def open(self) -> None:
        self._is_closed, self._error = False, None
        if self._dispatcher is None or self._dispatcher.done():
            self._dispatcher = asyncio.create_task(self._dispatch())

    def close(self, error: RealtimeError | None) -> None:
        """What has come is still given out; then iterations end, with `error` if there is one."""
        if not self._is_closed:
            self._is_closed, self._error = True, error
        self.wake()

    # ---- out ----

    async def _take(self) -> Message:
        """The first message, after the callbacks have had it. It must be there."""
        self._is_busy = True
        try:
            message = self._messages[0]
            for kind, handler in tuple(self._handlers):
                if kind is None or kind == message.get("type"):
                    await self._call(handler, message)
            return self._messages.popleft()
        finally:
            self._is_busy = False
            self.wake()

    async def _call(self, handler: Handler, message: Message) -> None:
        try:
            result = handler(message)
            if inspect.isawaitable(result):
                await result
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            self._log.exception("a message handler waited for something that was cancelled")
        except Exception:
            self._log.exception("a message handler failed")

    def _is_dispatchers(self) -> bool:
        is_ready = bool(self._messages) and not self._is_busy
        return is_ready and self._loops == 0 and bool(self._handlers)

    async def _dispatch(self) -> None:
        while True:
            await self._until(lambda: self._is_dispatchers() or self._is_closed)
            if self._is_dispatchers():
                await self._take()
            elif self._is_closed and (not self._messages or not self._handlers):
                return
            else:
                await self._changed.wait()  # closed, and a loop has the rest

    async def messages(self) -> AsyncIterator[Message]:
        self._loops += 1
        try:
            while True:
                await self._until(
                    lambda: not self._is_busy and (bool(self._messages) or self._is_closed)
                )
                if not self._messages:
                    if self._error:
                        raise self._error
                    return
                yield await self._take()
        finally:
            self._loops -= 1
            self.wake()
