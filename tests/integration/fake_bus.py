"""A bus server that plays realtimed or the SFU towards realtime-api (core/bus.h has the frames),
and one question to a real one.

Answers are given by the test: a dictionary from message number to a function of the request's
body. Everything that arrives is kept in `received`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

VERSION = 1
REQUEST, RESPONSE, ERROR, EVENT = 1, 2, 3, 4
HELLO, PUBLISH, HUB_STATUS, ROOM_OCCUPANCY, ROOM_UPDATED, ROOM_DELETED = 1, 16, 17, 18, 19, 20
SIGNAL, HTTP_SESSION_START, HTTP_SESSION_END, CONNECTIONS, SFU_STATUS, SFU_ROOM = 21, 22, 23, 24, 80, 81
NOTIFY, NOTIFICATIONS_READ = 43, 44
HTTP_SESSION_ICE, PEER_ICE = 27, 58

Handler = Callable[[dict], dict]


def encode(kind: int, message: int, request_id: int, body: dict) -> bytes:
    text = json.dumps(body).encode()
    return struct.pack(">IBBHII", 12 + len(text), VERSION, kind, message, request_id,
                       len(text)) + text


def ask(path: Path, message: int, body: dict) -> dict:
    """Ask a real process on its socket, as realtime-api does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        stream = connection.makefile("rb")
        connection.sendall(encode(REQUEST, HELLO, 1, {"role": "api", "pid": os.getpid()}) +
                           encode(REQUEST, message, 2, body))
        while True:
            length, _version, kind, _message, request_id, json_bytes = struct.unpack(
                ">IBBHII", stream.read(16))
            answer = json.loads(stream.read(length - 12)[:json_bytes])
            if request_id == 2:
                assert kind == RESPONSE, answer
                return answer


class Refusal(Exception):
    def __init__(self, number: int, code: str, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.body = {"number": -number, "code": code, "detail": detail, "field": field}


class FakeBus:
    def __init__(self, path: Path, role: str, answers: dict[int, Handler]) -> None:
        self.path, self.role, self.answers = path, role, answers
        self.received: list[tuple[int, dict]] = []
        self.request_ids: list[str | None] = []  # of each, for whose sake it came
        self.is_mute = False  # accepts and says nothing, like a process that hangs
        self.connections: list[socket.socket] = []
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path.unlink(missing_ok=True)
        self.server.bind(str(path))
        self.server.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        if self.server.fileno() < 0:
            return
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.path.unlink(missing_ok=True)
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def bodies_of(self, message: int) -> list[dict]:
        return [body for number, body in self.received if number == message]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection.makefile("rb")
        while header := stream.read(16):
            if len(header) < 16:
                return
            length, _version, kind, message, request_id, json_bytes = struct.unpack(">IBBHII",
                                                                                   header)
            rest = stream.read(length - 12)
            body = json.loads(rest[:json_bytes])
            self.request_ids.append(body.pop("request", None))
            self.received.append((message, body))
            if kind == REQUEST and not (self.is_mute and message != HELLO):
                self._answer(connection, message, request_id, body)

    def _answer(self, connection: socket.socket, message: int, request_id: int,
                body: dict) -> None:
        kind = RESPONSE
        try:
            if message == HELLO:
                answer = {"role": self.role, "pid": os.getpid(), "epoch": "e1"}
            else:
                answer = self.answers[message](body)
        except Refusal as refusal:
            kind, answer = ERROR, refusal.body
        try:
            connection.sendall(encode(kind, message, request_id, answer))
        except OSError:
            pass
