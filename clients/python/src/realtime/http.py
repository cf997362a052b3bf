"""As much HTTP/1.1 (RFC 9112) as the REST API and an event stream need, on asyncio streams.

One request on one connection, which is closed afterwards. Everything that the far end can make
long is bounded.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

HEAD_MAX = 65536
BODY_MAX = 128 * 1024 * 1024
READ_SIZE = 65536
TARGET_SAFE = "/?:@!$&'()*+,;=-._~%"  # RFC 3986; what else there is gets escaped


class HttpError(OSError):
    """The far end does not speak HTTP as we understand it, or went away in the middle."""


@dataclass
class Response:
    status: int
    headers: dict[str, str]  # names in lower case
    _reader: asyncio.StreamReader

    async def chunks(self, idle_timeout: float | None = None) -> AsyncIterator[bytes]:
        """The body as it comes. TimeoutError if nothing comes for so long."""
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            source = self._chunked()
        elif "content-length" in self.headers:
            source = self._counted(_number(self.headers["content-length"], 10))
        else:
            source = self._until_end()
        while True:
            try:
                async with asyncio.timeout(idle_timeout):
                    piece = await anext(source)
            except StopAsyncIteration:
                return
            yield piece

    async def read(self, limit: int = BODY_MAX, idle_timeout: float | None = None) -> bytes:
        body = bytearray()
        if self.status in (204, 304):
            return b""
        async for piece in self.chunks(idle_timeout):
            body += piece
            if len(body) > limit:
                raise HttpError(f"the answer is longer than {limit} bytes")
        return bytes(body)

    async def _until_end(self) -> AsyncIterator[bytes]:
        while piece := await self._reader.read(READ_SIZE):
            yield piece

    async def _counted(self, left: int) -> AsyncIterator[bytes]:
        while left > 0:
            piece = await self._reader.read(min(left, READ_SIZE))
            if not piece:
                raise HttpError("the answer ended early")
            left -= len(piece)
            yield piece

    async def _chunked(self) -> AsyncIterator[bytes]:
        while True:
            line = await _line(self._reader)
            size = _number(line.split(b";")[0].decode("latin-1"), 16)
            if size == 0:
                while await _line(self._reader):
                    pass  # trailers
                return
            async for piece in self._counted(size):
                yield piece
            if await _line(self._reader):
                raise HttpError("a chunk is longer than it says")


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return (await reader.readuntil(b"\n")).rstrip(b"\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise HttpError("the answer ended early or has an endless line") from error


def _number(text: str, base: int) -> int:
    digits = "0123456789abcdef"[:base]
    text = text.strip().lower()
    if not text or len(text) > 16 or text.strip(digits):
        raise HttpError(f"not a length: {text[:20]!r}")
    return int(text, base)


async def _head(reader: asyncio.StreamReader) -> Response:
    while True:
        status_line = (await _line(reader)).decode("latin-1")
        version, _, rest = status_line.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdigit():
            raise HttpError("the far end does not speak HTTP/1.1")
        headers: dict[str, str] = {}
        size = len(status_line)
        while line := (await _line(reader)).decode("latin-1"):
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
            size += len(line)
            if size > HEAD_MAX:
                raise HttpError("the head of the answer is too long")
        status = int(rest[:3])
        if status >= 200:  # 1xx are on the way to the answer
            return Response(status, headers, reader)


def _request(
    method: str, url: SplitResult, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    target = quote((url.path or "/") + (f"?{url.query}" if url.query else ""), safe=TARGET_SAFE)
    fields = {"Host": url.netloc.rpartition("@")[2], "Connection": "close", **headers}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    for line in lines:
        if any(character in line for character in "\r\n\0"):
            raise ValueError("a header or address must not have line breaks")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


@asynccontextmanager
async def request(
    method: str,
    address: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    ssl: tls.SSLContext | None = None,
    timeout: float = 10.0,
) -> AsyncIterator[Response]:
    """Send a request; the block has the answer's head, and reads its body. OSError (HttpError,
    TimeoutError) if there is none within `timeout` seconds."""
    url = urlsplit(address)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"not an address of HTTP: {address!r}")
    if url.scheme == "https" and ssl is None:
        ssl = tls.create_default_context()
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(
                url.hostname,
                url.port or (443 if url.scheme == "https" else 80),
                ssl=ssl if url.scheme == "https" else None,
                limit=HEAD_MAX,
            )
            writer.write(_request(method, url, headers or {}, body))
            await writer.drain()
            response = await _head(reader)
        yield response
    finally:
        if writer is not None:
            # Not waited for: a far end that keeps its half open would hold us up.
            writer.close()
