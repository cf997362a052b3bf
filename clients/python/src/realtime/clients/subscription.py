"""One subscription, and how far each of its channels has come. No sockets here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..models import Message

CHANNELS_OF_A_PATTERN_MAX = 4096


class Position(NamedTuple):
    epoch: str
    offset: int


@dataclass
class _Progress:
    position: Position | None = None
    message_id: str = ""  # the newest heard


@dataclass
class Subscription:
    """What to ask for again after a loss. `accept()` says whether a message is new: the position
    of a channel moves with the messages that were accepted, never with the answers to our own."""

    channel: str
    options: dict[str, Any]
    answer: asyncio.Future[Message]
    progress: dict[str, _Progress] = field(default_factory=dict)
    _after_replay: Position | None = None
    _replay_left: int = 0
    _heard_before: dict[str, str] = field(default_factory=dict)  # channel -> message_id

    @property
    def is_pattern(self) -> bool:
        return "*" in self.channel

    @property
    def position(self) -> Position | None:
        progress = self.progress.get(self.channel)
        return progress.position if progress else None

    def covers(self, channel: str) -> bool:
        if channel == self.channel:
            return True
        return self.is_pattern and _matches(self.channel, channel)

    def resume_at(self, position: Position) -> None:
        self._of(self.channel).position = position

    def take_over(self, older: Subscription) -> None:
        """Asked for again with other options: go on from where the older one was."""
        self.progress = older.progress

    def fields(self) -> dict[str, Any]:
        """Of the `subscribe` that asks for it, from where it was."""
        fields: dict[str, Any] = {"channel": self.channel, **self.options}
        if self.position is not None and not self.is_pattern:
            fields["recover"] = self.position._asdict()
        return fields

    def start(self, subscribed: Mapping[str, Any]) -> str | None:
        """The server has answered. Returns why messages may have been missed, if so."""
        self._after_replay, self._replay_left = None, 0
        lost = None
        if subscribed.get("recovered") is False and self.position is not None:
            lost = str(subscribed.get("reason") or "not_recovered")
            progress = self.progress.pop(self.channel)
            # The newest stored ones come instead, and may be known.
            self._heard_before[self.channel] = progress.message_id
        if self.is_pattern:
            return lost
        epoch, offset = subscribed.get("epoch"), subscribed.get("offset")
        if isinstance(epoch, str) and isinstance(offset, int):
            self._replay_left = int(subscribed.get("replay_count") or 0)
            if self._replay_left > 0:
                self._after_replay = Position(epoch, offset)
            else:
                self._of(self.channel).position = Position(epoch, offset)
        return lost

    def accept(self, message: Message) -> bool:
        """False: it was heard before."""
        channel, epoch, offset = message.get("channel"), message.get("epoch"), message.get("offset")
        if not (isinstance(channel, str) and isinstance(epoch, str) and isinstance(offset, int)):
            return True
        message_id = str(message.get("message_id") or "")
        progress = self._of(channel)
        is_replayed = bool(message.get("replayed"))
        known = progress.position
        is_new = known is None or known.epoch != epoch or offset > known.offset
        if is_replayed and message_id and message_id <= self._heard_before.get(channel, ""):
            is_new = False
        if known is None or known.epoch != epoch or offset > known.offset:
            progress.position = Position(epoch, offset)
        progress.message_id = max(progress.message_id, message_id)
        self._count_replay(is_replayed)
        return is_new

    def _count_replay(self, is_replayed: bool) -> None:
        """What came before the subscription and is not stored cannot come any more, once the
        stored ones have come."""
        if self._after_replay is None:
            return
        self._replay_left -= 1
        if is_replayed and self._replay_left > 0:
            return
        progress = self._of(self.channel)
        known, target = progress.position, self._after_replay
        if known is None or (known.epoch == target.epoch and known.offset < target.offset):
            progress.position = target
        self._after_replay = None

    def _of(self, channel: str) -> _Progress:
        progress = self.progress.get(channel)
        if progress is None:
            if len(self.progress) >= CHANNELS_OF_A_PATTERN_MAX:
                del self.progress[next(iter(self.progress))]  # the one met first
            progress = self.progress[channel] = _Progress()
        return progress


def _matches(pattern: str, name: str) -> bool:
    """`*` stands for any run of characters; nothing else is special."""
    first, *middle, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first):
        return False
    if not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
