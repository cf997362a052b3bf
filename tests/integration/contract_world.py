"""A server in which every operation of the OpenAPI document has something to work on, and whose every answer is judged by
the document."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import bus_peer as bus
from answer import Answer
from bearer import bearer
from contract import Contract
from form import BOUNDARY
from guarded_system import System

CONTRACT = Contract()
BODY_MAX, FILE_MAX = 65536, 2 << 20
WEBHOOK = "whk_V3xKp8dLmQ2ZsYwBn7RcTg"  # the document's, which leads nowhere
FORM = f"multipart/form-data; boundary={BOUNDARY}"
SDP, TRICKLE, PIECE = "application/sdp", "application/trickle-ice-sdpfrag", "application/offset+octet-stream"


class Sfu:
    """A media server that agrees to everything, on a loop and a thread of its own."""

    def __init__(self, path: str) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.peer = bus.BusPeer(path, "sfu")
        self.run(self.peer.connect())

    def run(self, action: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(action, self.loop).result(10)

    def close(self) -> None:
        self.run(self.peer.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


class World:
    """A closed server with some people, a room, a file and an upload in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        namespaces = folder / "namespaces.json"
        namespaces.write_text(json.dumps({"namespaces": [
            {"channels": "members_*", "subscribe": "users"}, {"channels": "quiet_*", "presence": False}]}))
        self.system = System(folder, REALTIME_NAMESPACES=str(namespaces), REALTIME_MAX_BODY=str(BODY_MAX),
                             BINARY_MAX_FILE_SIZE=str(FILE_MAX), REALTIME_FILES_USER_QUOTA=str(4 << 20),
                             BINARY_ALLOWED_TYPES="image/*,text/*,application/pdf", WEBRTC_MAX_ROOMS="40", **settings)
        self.admin = self.system.key("admin", "--user", "root")
        self.ann = self.system.token("ann")
        self.nobody = self.system.token("eve", channels={}, rooms={})
        self.full = self.system.token("full")
        self.system.sql("INSERT INTO upload_usage VALUES ('full', 1, ?)", 4 << 20)

    def stop(self) -> None:
        self.system.stop()

    def ask(self, name: str, *, path: dict[str, str] | None = None, query: str = "", body: object = None,
            credential: str | None = "admin", **headers: str) -> Answer:
        """One request of an operation, judged."""
        operation = CONTRACT.operations[name]
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        if credential:
            sent |= bearer(getattr(self, credential, credential))
        if operation.path.startswith("/realtime/uploads"):
            sent.setdefault("Tus-Resumable", "1.0.0")
        if operation.method in ("POST", "PATCH", "PUT") and body is None:
            body = b""
        answer = self.system.stack.request(operation.method, CONTRACT.fill(operation, path or {}) + query, body, sent)
        CONTRACT.judge(operation, answer)
        return answer
