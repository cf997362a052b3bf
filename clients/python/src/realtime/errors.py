"""What can go wrong, with the same codes over WebSocket, SSE and REST."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FINAL_CLOSE_CODES = frozenset({4400, 4401, 4402, 4403, 4410})
"""After these the server does not want to see us again as we are (protocol section 3)."""

CLOSE_CODE_NAMES = {
    1001: "going_away",
    1008: "policy",
    1009: "too_big",
    1011: "server_failed",
    1012: "restart",
    1013: "overload",
    4400: "bad_protocol",
    4401: "authentication",
    4403: "forbidden",
    4408: "authentication_timeout",
    4410: "kicked",
    4429: "rate",
    4508: "slow_consumer",
}


class RealtimeError(Exception):
    """A refusal of the server, or a failure on the way to it.

    `code` is stable and for programs ("room_full"); `detail` is a sentence for people; `field` is
    the field of the request that is at fault, if one is. Codes that this client adds itself:
    `timeout`, `disconnected`, `closed`, `unreachable`, `no_token`, `message_too_big`, `no_room`,
    `bad_answer`.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        field: str | None = None,
        *,
        status: int | None = None,
        close_code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.field = field
        self.status = status
        self.close_code = close_code
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" + (f" ({self.field})" if self.field else "")

    @classmethod
    def from_message(
        cls, message: Mapping[str, Any], *, close_code: int | None = None
    ) -> RealtimeError:
        """From an `error` of a WebSocket."""
        return cls(
            str(message.get("code", "error")),
            str(message.get("detail", "")),
            message.get("field"),
            close_code=close_code,
            retry_after=seconds(message.get("retry_after")),
        )

    @classmethod
    def from_problem(
        cls, status: int, problem: object, retry_after: str | None = None
    ) -> RealtimeError:
        """From application/problem+json (RFC 9457), or from whatever else came with the status."""
        fields = problem if isinstance(problem, dict) else {}
        errors = fields.get("errors")
        pointer = errors[0].get("pointer", "") if isinstance(errors, list) and errors else ""
        detail = fields.get("detail") or fields.get("title") or f"the server answered {status}"
        return cls(
            str(fields.get("code") or f"http_{status}"),
            str(detail),
            pointer.removeprefix("/") or None,
            status=status,
            retry_after=seconds(fields.get("retry_after", retry_after)),
        )


def seconds(value: object) -> float | None:
    """A retry_after, from wherever it comes; None if it is none."""
    try:
        return float(value) if isinstance(value, (int, float, str)) else None
    except ValueError:
        return None  # Retry-After may also be a date; our server sends none
