"""An HTTP server whose every byte a test decides."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


@asynccontextmanager
async def http_server(*answers: bytes, ssl_context: ssl.SSLContext | None = None
                      ) -> AsyncIterator[tuple[str, list[str]]]:
    """Gives these answers to one connection each, then the last one again. Yields its origin and
    the heads of the requests."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line.split(":")[1]) for line in head.lower().split("\r\n")
                       if line.startswith("content-length:")), 0)
        heads.append(head + (await reader.readexactly(length)).decode())
        writer.write(answers[min(len(heads), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl_context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if ssl_context else 'http'}://localhost:{port}", heads


def chunked(*pieces: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
