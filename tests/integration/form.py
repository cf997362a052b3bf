"""multipart/form-data as a browser or curl makes it."""

from __future__ import annotations

BOUNDARY = "----tests7MA4YWxkTrZu0gW"


def form(*parts: tuple[str, bytes, str | None, str | None]) -> bytes:
    """multipart/form-data of (name, bytes, filename, content type)."""
    out = b""
    for name, data, filename, content_type in parts:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += f'; filename="{filename}"'.encode() if filename is not None else b""
        out += f"\r\nContent-Type: {content_type}".encode() if content_type else b""
        out += b"\r\n\r\n" + data + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def a_file(data: bytes, filename: str = "dot.png", content_type: str | None = "image/png",
           ) -> tuple[str, bytes, str | None, str | None]:
    return "file", data, filename, content_type


def a_field(name: str, value: str) -> tuple[str, bytes, str | None, str | None]:
    return name, value.encode(), None, None
