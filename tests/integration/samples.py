"""Small files of a kind."""

from __future__ import annotations

import base64

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\x03abc"


def large_text(size: int) -> str:
    return ("0123456789abcde\n" * (size // 16 + 1))[:size]
