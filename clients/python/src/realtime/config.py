"""The settings of the server, as this host has them: the environment, then the file that the
server reads, then the defaults.

They say what a server on this host, or with this environment, is set to. A client elsewhere is
told by the server itself what it may do: by `welcome` and by refusals.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

DEFAULT_FILE = "/etc/realtime/realtime.conf"
_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True)
class Settings:
    WEBSOCKET_ENABLED: bool = True
    WEBSOCKET_AUTH_REQUIRED: bool = False
    WEBSOCKET_MAX_CONNECTIONS: int = 1000
    WEBSOCKET_HEARTBEAT_INTERVAL: int = 30
    WEBSOCKET_BINARY_MAX_SIZE: int = 52428800
    SSE_ENABLED: bool = True
    SSE_AUTH_REQUIRED: bool = False
    SSE_MAX_CONNECTIONS: int = 500
    SSE_HEARTBEAT_INTERVAL: int = 15
    SSE_RETRY_TIMEOUT: int = 3000
    WEBRTC_ENABLED: bool = True
    WEBRTC_STUN_SERVERS: str = "stun:stun.l.google.com:19302,stun:stun1.l.google.com:19302"
    WEBRTC_MAX_ROOMS: int = 100
    WEBRTC_MAX_PARTICIPANTS_PER_ROOM: int = 10
    BINARY_DATA_ENABLED: bool = True
    BINARY_MAX_FILE_SIZE: int = 52428800
    BINARY_ALLOWED_TYPES: str = "image/*,video/*,audio/*,application/pdf,text/*"
    BINARY_COMPRESSION_ENABLED: bool = True

    @classmethod
    def read(cls, environment: Mapping[str, str], file_text: str = "") -> Settings:
        """ValueError with the name, the value and the rule."""
        raw = {**_lines(file_text), **environment}
        known: dict[str, bool | int | str] = {}
        for setting in fields(cls):
            if setting.name in raw:
                known[setting.name] = _value(setting.name, raw[setting.name], setting.default)
        return cls(**known)  # type: ignore[arg-type] # _value() gives the default's type


@cache
def get_settings() -> Settings:
    """Read once; `get_settings.cache_clear()` makes the next call read again."""
    path = Path(os.environ.get("REALTIME_CONFIG", DEFAULT_FILE))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        text = ""  # a client's host has none, or may not read it
    return Settings.read(os.environ, text)


def _lines(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.lstrip().startswith("#"):
            values[name.strip()] = value
    return values


def _value(name: str, raw: str, default: object) -> bool | int | str:
    text = re.sub(r"(^|\s)#.*", "", raw, flags=re.DOTALL).strip()
    if isinstance(default, bool):
        if text.lower() not in _WORDS:
            raise ValueError(f"{name} is {text!r} but must be true or false")
        return _WORDS[text.lower()]
    if isinstance(default, int):
        match = re.fullmatch(r"([+-]?[0-9]+)\s*([a-zA-Z]*)", text)
        if not match or match[2].lower() not in _UNITS:
            raise ValueError(f"{name} is {text!r} but must be a whole number (or 10MB, 10MiB…)")
        return int(match[1]) * _UNITS[match[2].lower()]
    return text
