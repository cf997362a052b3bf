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
    _floor: Position | None = None  # nothing more comes from up to here, once the replay is over
    _replay_left: int = 0
    _heard_before: dict[str, str] = field(default_factory=dict)  # channel -> message_id

    @property
    def is_pattern(self) -> bool:
        return "*" in self.channel

    @property
    def position(self) -> Position | None:
        """Where to resume. Messages that are not stored leave holes, so that may be behind the
        last that was heard."""
        progress = self.progress.get(self.channel)
        heard, floor = progress.position if progress else None, self._floor
        if floor is None or self._replay_left > 0:
            return heard
        if heard is None or (heard.epoch == floor.epoch and heard.offset < floor.offset):
            return floor
        return heard

    def covers(self, channel: str) -> bool:
        if channel == self.channel:
            return True
        return self.is_pattern and _matches(self.channel, channel)

    def resume_at(self, position: Position) -> None:
        self._of(self.channel).position = position

    def take_over(self, older: Subscription) -> None:
        """Asked for again with other options: go on from where the older one was."""
        self.progress, self._floor = older.progress, older._floor
        self._replay_left = older._replay_left

    def fields(self) -> dict[str, Any]:
        """Of the `subscribe` that asks for it, from where it was."""
        fields: dict[str, Any] = {"channel": self.channel, **self.options}
        if self.position is not None and not self.is_pattern:
            fields["recover"] = self.position._asdict()
        return fields

    def start(self, subscribed: Mapping[str, Any]) -> str | None:
        """The server has answered. Returns why messages may have been missed, if so."""
        lost = None
        if subscribed.get("recovered") is False and self.position is not None:
            lost = str(subscribed.get("reason") or "not_recovered")
            # The newest stored ones come instead, and may be known.
            known = self.progress.pop(self.channel, None)
            if known is not None and known.message_id:
                self._heard_before[self.channel] = known.message_id
        if self.is_pattern:
            return lost
        epoch, offset = subscribed.get("epoch"), subscribed.get("offset")
        if isinstance(epoch, str) and isinstance(offset, int):
            self._floor = Position(epoch, offset)
            self._replay_left = int(subscribed.get("replay_count") or 0)
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
        is_further = known is None or known.epoch != epoch or offset > known.offset
        if is_further:
            progress.position = Position(epoch, offset)
        progress.message_id = max(progress.message_id, message_id)
        self._replay_left = max(0, self._replay_left - 1) if is_replayed else 0
        was_heard = is_replayed and message_id <= self._heard_before.get(channel, "")
        return is_further and not (message_id and was_heard)

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
