"""A process on the bus, played by a test: it connects to realtimed as the SFU or the API would."""

from __future__ import annotations

import asyncio
import errno
import json
import struct

VERSION = 1
REQUEST, RESPONSE, ERROR, EVENT = 1, 2, 3, 4
HELLO, PUBLISH, HUB_STATUS, ROOM_OCCUPANCY, ROOM_UPDATED, ROOM_DELETED = 1, 16, 17, 18, 19, 20
SIGNAL, HTTP_SESSION_START, HTTP_SESSION_END, CONNECTIONS = 21, 22, 23, 24
PARTICIPANT, KICK, MUTE = 36, 37, 38
NOTIFY, NOTIFICATIONS_READ, CHANNELS, CHANNEL_PRESENCE = 43, 44, 45, 46
HTTP_SESSION_ICE, PEER_ICE = 27, 58
PEER_JOIN, PEER_LEAVE, PEER_RESUMED, ROOM_CLOSED = 48, 49, 50, 51
PEER_SIGNAL, PEER_ERROR, PEER_TRACK, PEER_MUTE = 52, 53, 54, 55
PEER_TRACKS, PEER_STATE, PEER_GONE = 64, 65, 66


class Refused(Exception):
    def __init__(self, body: dict) -> None:
        super().__init__(body["code"])
        self.body = body


def answer_ice(body: dict) -> dict:
    """As the SFU would of a peer whose ICE session is "once"."""
    sessions = body.get("ice_sessions")
    if sessions is not None and "once" not in sessions:
        raise Refused({"number": -errno.ESTALE, "code": "ice_session_changed", "detail": "it is once"})
    if "a=ice-ufrag" in body["sdp_fragment"]:
        return {"ice_session": "again", "sdp_fragment": "a=ice-ufrag:again\r\n"}
    if sessions is None:
        raise Refused({"number": -errno.ENOTUNIQ, "code": "no_ice_credentials", "detail": "restart with what?"})
    return {"ice_session": "once"}


class BusPeer:
    def __init__(self, path: str, role: str) -> None:
        self.path, self.role = path, role
        self.inbox: asyncio.Queue[tuple[int, dict]] = asyncio.Queue()
        self.answers: dict[int, asyncio.Future[dict]] = {}
        self.last_id = 0
        self.is_cut = False
        self.writer: asyncio.StreamWriter | None = None
        # what this SFU serves: room_id -> peer_id -> the body of PEER_JOIN
        self.rooms: dict[str, dict[str, dict]] = {}
        self.answer_mute = lambda body: {"tracks": []}
        self.answer_join = lambda body: {"sdp": "v=0 answer", "ice_session": "once"} if "sdp" in body else {}

    async def connect(self, timeout: float = 5.0) -> dict:
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            try:
                reader, self.writer = await asyncio.open_unix_connection(self.path, limit=1 << 24)
                break
            except OSError:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.02)
        self.is_cut = False
        self.reading = asyncio.create_task(self._read(reader))
        hello: dict = {"role": self.role, "pid": 1}
        if self.role == "sfu":
            hello["rooms"] = [
                {
                    "room_id": room_id,
                    "peers": [
                        {"peer_id": p, "kind": b["kind"], "state": b["state"], "tracks": []}
                        for p, b in peers.items()
                    ],
                }
                for room_id, peers in self.rooms.items()
            ]
        return await self.ask(HELLO, hello)

    async def close(self) -> None:
        if self.writer:
            self.reading.cancel()
            self.writer.close()

    def _send(self, kind: int, message: int, request_id: int, body: dict) -> None:
        text = json.dumps(body).encode()
        assert self.writer
        self.writer.write(
            struct.pack(">IBBHII", 12 + len(text), VERSION, kind, message, request_id, len(text)) + text
        )

    def tell(self, message: int, body: dict) -> None:
        self._send(EVENT, message, 0, body)

    async def ask(self, message: int, body: dict, timeout: float = 8.0) -> dict:
        """EOFError: realtimed is gone."""
        if self.is_cut:
            raise EOFError("the bus is closed")
        self.last_id += 1
        answer = self.answers[self.last_id] = asyncio.get_running_loop().create_future()
        self._send(REQUEST, message, self.last_id, body)
        return await asyncio.wait_for(answer, timeout)

    async def hears(self, message: int, timeout: float = 5.0) -> dict:
        """The body of the next such message, passing over others."""
        while True:
            number, body = await asyncio.wait_for(self.inbox.get(), timeout)
            if number == message:
                return body

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            await self._hear(reader)
        except (OSError, EOFError):
            pass
        self.is_cut = True
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(EOFError("the bus is closed"))

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        while True:
            header = await reader.readexactly(16)
            length, _, kind, message, request_id, json_bytes = struct.unpack(">IBBHII", header)
            body = json.loads((await reader.readexactly(length - 12))[:json_bytes])
            self.last_body = dict(body)
            body.pop("request", None)
            if kind in (RESPONSE, ERROR):
                future = self.answers.pop(request_id, None)
                if future and kind == RESPONSE:
                    future.set_result(body)
                elif future:
                    future.set_exception(Refused(body))
                continue
            if message == PEER_JOIN:
                self.rooms.setdefault(body["room_id"], {})[body["peer_id"]] = body
                answer = self.answer_join(body)
                if answer is not None:
                    self._send(RESPONSE, message, request_id, answer)
            elif message == PEER_MUTE and kind == REQUEST:
                answer = self.answer_mute(body)
                if answer is not None:
                    self._send(RESPONSE, message, request_id, answer)
            elif message == PEER_ICE:
                try:
                    self._send(RESPONSE, message, request_id, answer_ice(body))
                except Refused as refused:
                    self._send(ERROR, message, request_id, refused.body)
            elif message == PEER_LEAVE:
                self.rooms.get(body["room_id"], {}).pop(body["peer_id"], None)
            self.inbox.put_nowait((message, body))
