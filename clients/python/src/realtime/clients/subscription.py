"""One subscription, and how far each of its channels has come. No sockets here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..models import Message

CHANNELS_OF_A_PATTERN_MAX = 4096
EARLY_MAX = 2000


class Position(NamedTuple):
    epoch: str
    offset: int


@dataclass
class _Progress:
    position: Position | None = None
    stored_id: str = ""  # message_id of the newest stored one that was heard


@dataclass
class Subscription:
    """What to ask for again after a loss. `accept()` says whether a message is new: the position
    of a channel moves with the messages that were accepted, never with the answers to our own."""

    channel: str
    options: dict[str, Any]
    answer: asyncio.Future[Message]  # to the one who asked; done once it was given
    older: Subscription | None = None  # goes on if this one is refused
    progress: dict[str, _Progress] = field(default_factory=dict)
    _is_asked: bool = False  # and not answered yet on this connection
    # What came on this connection before the answer: of one's own channel one hears unasked, and it
    # is no sign that all before it was heard.
    _early: dict[str, Position] = field(default_factory=dict)
    _floor: Position | None = None  # of the channel when the server answered
    _replay_left: int = 0

    @property
    def is_pattern(self) -> bool:
        return "*" in self.channel

    @property
    def position(self) -> Position | None:
        """Where to resume: the last that was heard, or, once the replay is over, how far the
        channel was when we subscribed, if that is further."""
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
        self.older = older
        self.progress, self._early = older.progress, older._early
        self._floor, self._replay_left = older._floor, older._replay_left

    def ask(self) -> dict[str, Any]:
        """The fields of the `subscribe` that asks for it, from where it was."""
        self._is_asked = True
        self._forget_early()
        fields: dict[str, Any] = {"channel": self.channel, **self.options}
        if self.position is not None and not self.is_pattern:
            fields["recover"] = self.position._asdict()
        return fields

    def start(self, subscribed: Mapping[str, Any]) -> str | None:
        """The server has answered. Returns why messages may have been missed, if so."""
        lost, self.older, self._is_asked = None, None, False
        if subscribed.get("recovered") is False and self.position is not None:
            lost = str(subscribed.get("reason") or "not_recovered")
            # The newest stored ones come instead; those that are known are told by their ids.
            self._of(self.channel).position = None
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
        key = message_id or f"{epoch} {offset}"
        was_heard = bool(message_id) and message_id <= progress.stored_id
        if self._is_asked and not self.is_pattern:
            is_new = is_further and key not in self._early and not was_heard
            self._early[key] = Position(epoch, offset)
            return is_new
        if is_further:
            progress.position = Position(epoch, offset)
        if self._early:
            is_further = self._early.pop(key, None) is None and is_further
        self._replay_left = max(0, self._replay_left - 1) if is_replayed else 0
        was_heard = was_heard and is_replayed
        if is_replayed or message.get("persistent"):
            progress.stored_id = max(progress.stored_id, message_id)
        return is_further and not was_heard

    def _forget_early(self) -> None:
        """Those behind which we resume come again only when the history is counted anew; all that
        is stored up to there was heard, as they were."""
        at = self.position
        for key, early in list(self._early.items()):
            is_behind = at is not None and early.epoch == at.epoch and early.offset <= at.offset
            if is_behind or len(self._early) > EARLY_MAX:
                del self._early[key]
            if is_behind and key.startswith("msg_"):
                progress = self._of(self.channel)
                progress.stored_id = max(progress.stored_id, key)

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
