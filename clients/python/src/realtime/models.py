"""What is sent and what is received."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import RealtimeError

Fields = dict[str, Any]  # the classes below have a method called dict


class Message(dict[str, Any]):
    """One message of the server: a dictionary, as the protocol has it.

    `payload` gives the bytes of a `binary` one, whichever way they came. Those of a native frame
    are turned into `message["binary_data"]` only when that is asked for.
    """

    _payload: bytes | None = None

    @classmethod
    def with_payload(cls, fields: dict[str, Any], payload: bytes) -> Message:
        message = cls(fields)
        message._payload = payload
        return message

    def __missing__(self, key: str) -> Any:
        if key != "binary_data" or self._payload is None:
            raise KeyError(key)
        self[key] = base64.b64encode(self._payload).decode()
        return self[key]

    def get(self, key: str, default: Any = None) -> Any:
        """dict's own does not ask __missing__()."""
        try:
            return self[key]
        except KeyError:
            return default

    @property
    def payload(self) -> bytes:
        """The bytes. RealtimeError "not_inline" if the server keeps them at message["url"];
        KeyError if the message has none."""
        if self._payload is None:
            if "url" in self:
                detail = f"the bytes are at {self['url']}; download() them"
                raise RealtimeError("not_inline", detail)
            self._payload = base64.b64decode(self["binary_data"])
        return self._payload


@dataclass
class BinaryMessage:
    """Bytes with a media type. `binary_data` is base64 (RFC 4648 section 4), and ValueError says
    that it is none."""

    binary_data: str
    content_type: str = "application/octet-stream"
    filename: str | None = None
    channel: str | None = None
    persistent: bool = False
    ttl: int | None = None
    tags: Fields | None = None
    _bytes: bytes | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            self._bytes = base64.b64decode(self.binary_data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"binary_data is no base64: {error}") from error
        if not self.content_type or "/" not in self.content_type:
            raise ValueError(f"content_type is no media type: {self.content_type!r}")

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        content_type: str = "application/octet-stream",
        filename: str | None = None,
        **more: Any,
    ) -> BinaryMessage:
        return cls(base64.b64encode(data).decode(), content_type, filename, **more)

    @classmethod
    def from_file(
        cls, path: str | Path, content_type: str | None = None, **more: Any
    ) -> BinaryMessage:
        """The type is guessed from the name if it is not given."""
        path = Path(path)
        guessed = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        return cls.from_bytes(path.read_bytes(), content_type or guessed, path.name, **more)

    @property
    def data(self) -> bytes:
        assert self._bytes is not None  # __post_init__ has set it
        return self._bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def dict(self) -> Fields:
        return _present(
            type="binary",
            binary_data=self.binary_data,
            content_type=self.content_type,
            filename=self.filename,
            channel=self.channel,
            persistent=self.persistent or None,
            ttl=self.ttl,
            tags=self.tags,
        )


@dataclass
class ChannelMessage:
    """Any JSON for a channel. A persistent one is stored before it is acknowledged, and is
    replayed to those who subscribe later."""

    channel: str
    data: Any
    persistent: bool = False
    ttl: int | None = None
    tags: Fields | None = None
    idempotency_key: str | None = None

    def dict(self) -> Fields:
        return {
            "type": "message",
            "data": self.data,
            **_present(
                channel=self.channel,
                persistent=self.persistent or None,
                ttl=self.ttl,
                tags=self.tags,
                idempotency_key=self.idempotency_key,
            ),
        }


@dataclass
class WebRTCRoom:
    """A room for a call, to be made with `await client.post("/realtime/webrtc/rooms",
    json=room.dict())` or routes.webrtc_rooms.create()."""

    name: str | None = None
    room_id: str | None = None
    max_participants: int | None = None
    mode: str | None = None
    password: str | None = field(default=None, repr=False)
    metadata: Fields | None = None

    def dict(self) -> Fields:
        return _present(**self.__dict__)


@dataclass(frozen=True)
class ServerEvent:
    """One event of an SSE stream. `data` is its JSON, parsed (the text itself if it is none);
    `raw` the text it came as."""

    event: str
    data: Any
    id: str
    raw: str


def _present(**fields: Any) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
