"""How long to wait before the next attempt."""

from __future__ import annotations

import random

FIRST_S = 0.5
LONGEST_S = 20.0


class Backoff:
    """Full jitter: anywhere between nothing and a limit that doubles, so that clients that lost
    their server together do not come back together."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self.first_s, self.longest_s = first_s, longest_s
        self.attempt = 0

    def next_s(self, at_least_s: float = 0.0) -> float:
        limit = min(self.longest_s, self.first_s * 2 ** min(self.attempt, 30))
        self.attempt += 1
        return at_least_s + random.uniform(0, limit)

    def reset(self) -> None:
        self.attempt = 0
