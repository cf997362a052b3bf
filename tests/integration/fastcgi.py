"""Speaks FastCGI and SCGI to realtime-api as a web server does, or as one that means harm."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT = 1, 2, 3, 4, 5, 6


def record(kind: int, content: bytes = b"", request_id: int = 1, version: int = 1) -> bytes:
    return struct.pack(">BBHHBB", version, kind, request_id, len(content), 0, 0) + content


def pair(name: bytes, value: bytes) -> bytes:
    def length(text: bytes) -> bytes:
        return bytes([len(text)]) if len(text) < 128 else struct.pack(">I", len(text) | 1 << 31)

    return length(name) + length(value) + name + value


def request(method: str, uri: str, body: bytes = b"", keep: bool = True, **variables: str) -> bytes:
    every = {"REQUEST_METHOD": method, "REQUEST_URI": uri, "CONTENT_LENGTH": str(len(body)),
             "CONTENT_TYPE": "application/json", **variables}
    params = b"".join(pair(name.encode(), value.encode("latin-1")) for name, value in every.items())
    return (record(BEGIN, struct.pack(">HB5x", 1, keep)) + record(PARAMS, params) + record(PARAMS) +
            (record(STDIN, body) if body else b"") + record(STDIN))


class Connection:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(15)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> bytes | None:
        """What one request is answered, "Status: …" first; None: the connection is over."""
        out = b""
        while True:
            try:
                head = self.stream.read(8)
            except (ConnectionResetError, TimeoutError):
                return None
            if len(head) < 8:
                return None
            _, kind, _, length, padding, _ = struct.unpack(">BBHHBB", head)
            content = self.stream.read(length + padding)[:length]
            if kind == STDOUT:
                out += content
            elif kind == END:
                return out


def scgi(path: Path, data: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(15)
        connection.connect(str(path))
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        out = b""
        try:
            while more := connection.recv(65536):
                out += more
        except ConnectionResetError:
            pass
        return out


def scgi_request(body: bytes = b"", **variables: str) -> bytes:
    every = {"CONTENT_LENGTH": str(len(body)), "SCGI": "1", **variables}
    text = b"".join(f"{name}\0{value}\0".encode("latin-1") for name, value in every.items())
    return b"%d:%s,%s" % (len(text), text, body)
