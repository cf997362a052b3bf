"""An event stream from bytes (HTML Standard, 9.2.6). No sockets here."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator

from .models import ServerEvent

EVENT_MAX = 128 * 1024 * 1024  # characters; whoever sends more is not our server


class EventParser:
    """Feed it bytes as they come; it yields whole events. `last_event_id` is where to resume,
    `retry_s` what the server asks for. ValueError for an event without end."""

    def __init__(self, last_event_id: str = "") -> None:
        self.last_event_id = last_event_id
        self.retry_s: float | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
        self._rest = ""  # of a line that has not ended
        self._pieces: list[str] = []
        self._piece_chars = 0
        self._event = ""
        self._data: list[str] = []
        self._id = last_event_id

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        text = self._decoder.decode(chunk)
        if "\n" not in text and "\r" not in text:  # a long line comes in many pieces
            self._keep(text)
            return
        text = "".join(self._pieces) + text
        self._pieces, self._piece_chars = [], 0
        # A CR at the very end may be half of a CRLF.
        held = "\r" if text.endswith("\r") else ""
        lines = text.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._keep(lines.pop() + held)
        for line in lines:
            event = self._take(line)
            if event is not None:
                yield event

    def _keep(self, text: str) -> None:
        self._piece_chars += len(text)
        if self._piece_chars > EVENT_MAX:
            raise ValueError("an event is too long")
        self._pieces.append(text)

    def _take(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value[:9]) / 1000
        return None  # comments and unknown fields are passed over

    def _dispatch(self) -> ServerEvent | None:
        self.last_event_id = self._id
        event, raw = self._event or "message", "\n".join(self._data)
        was_data = bool(self._data)
        self._event, self._data = "", []
        if not was_data:
            return None
        try:
            data = json.loads(raw)
        except ValueError:
            data = raw  # not of our server, but an event stream all the same
        return ServerEvent(event, data, self._id, raw)
