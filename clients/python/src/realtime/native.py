"""Native binary frames: bytes as they are instead of base64 in JSON (protocol section 3).

u8 0xB7 | u8 version 1 | u8 kind 1 | u8 flags | u32 length of meta | u64 number | meta | payload

Big-endian. The number is the offset towards a client, and from one its id of the request.
"""

from __future__ import annotations

import json
import struct
from typing import Any

MAGIC, VERSION, KIND_DATA = 0xB7, 1, 1
PERSISTENT, REPLAYED = 4, 8
META_MAX = 16384
_HEAD = struct.Struct(">BBBBIQ")


def encode(meta: dict[str, Any], payload: bytes, *, request_id: int, persistent: bool) -> bytes:
    text = json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode()
    if len(text) > META_MAX:
        raise ValueError(f"the description of the bytes is longer than {META_MAX} bytes")
    flags = PERSISTENT if persistent else 0
    return _HEAD.pack(MAGIC, VERSION, KIND_DATA, flags, len(text), request_id) + text + payload


def decode(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """The fields of a `binary` message, without binary_data, and its bytes. ValueError."""
    if len(frame) < _HEAD.size:
        raise ValueError("a native frame has a head of 16 bytes")
    magic, version, kind, flags, meta_length, number = _HEAD.unpack_from(frame)
    if (magic, version, kind) != (MAGIC, VERSION, KIND_DATA):
        raise ValueError("not a native frame of version 1")
    if meta_length > min(META_MAX, len(frame) - _HEAD.size):
        raise ValueError("a native frame is shorter than it says")
    meta = json.loads(frame[_HEAD.size : _HEAD.size + meta_length])
    if not isinstance(meta, dict):
        raise ValueError("the description of the bytes is not an object")
    payload = frame[_HEAD.size + meta_length :]
    fields = {**meta, "type": "binary", "offset": number, "size": len(payload)}
    if flags & PERSISTENT:
        fields["persistent"] = True
    if flags & REPLAYED:
        fields["replayed"] = True
    return fields, payload
