"""Every operation of the OpenAPI document, and every status that it says: some request here has each, and each answer is what
the document says. A new operation needs an entry in PRODUCERS for what is its own; refusals that all have are made for it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bus_peer as bus
import pytest
from answer import Answer
from bearer import bearer
from conftest import wait_until
from contract import Contract, Operation, bad_texts
from form import BOUNDARY, a_file, form
from guarded_system import System
from realtimed import connect

CONTRACT = Contract()
OURS = [operation for operation in CONTRACT.operations.values() if operation.is_ours]
JSON = [operation for operation in OURS if CONTRACT.takes_json(operation)]
IDS = {"ids": lambda value: getattr(value, "id", value)}
BODY_MAX, FILE_MAX = 65536, 2 << 20
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
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


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("contract"))
    sfu = Sfu(made.system.daemon.bus)
    made.ask("roomCreate", body={"room_id": "team"}, credential="ann")
    made.system.sql("INSERT INTO webhooks (webhook_id, url, events, channels, rooms, kinds, enabled, secret, created_at, updated_at)"
                    " VALUES (?, 'https://localhost:1/', '[\"*\"]', '[\"*\"]', '[\"*\"]', 15, 0, 'whsec_x', 1, 1)", WEBHOOK)
    try:
        yield made
    finally:
        sfu.close()
        made.stop()


# ---- what is an operation's own ----

Producer = Callable[[World], object]
PRODUCERS: dict[tuple[str, int], Producer] = {}


def produces(name: str, *statuses: int) -> Callable[[Producer], Producer]:
    def add(produce: Producer) -> Producer:
        PRODUCERS.update({(name, status): produce for status in statuses})
        return produce

    return add


def simple(name: str, status: int, **how: Any) -> None:
    PRODUCERS[name, status] = lambda world: world.ask(name, **how)


for _name in ("health", "healthLive", "healthReady", "healthRealtimed", "metrics", "openapi", "channels", "rooms",
              "connections", "callConnections", "notifications", "notificationsReadAll"):
    simple(_name, 200)
for _name in ("send", "broadcast", "binarySend", "binaryText", "notify", "notifyChannel", "notifyEverybody"):
    PRODUCERS[_name, 201] = lambda world, name=_name: world.ask(name, body=CONTRACT.example(CONTRACT.operations[name]))
simple("ticket", 201)
simple("channel", 200)
simple("channelPresence", 200)
simple("room", 200)
simple("roomUpdate", 200, body={"name": "The whole team"})
simple("connectionsCloseOfUser", 200, query="?user_id=nobody-here")
simple("uploadOptions", 204)
simple("uploadOptionsOfOne", 204)


@produces("healthSfu", 200)
def _(world: World) -> None:
    world.system.stack.start_sfu()
    wait_until(lambda: world.system.stack.request("GET", "/realtime/webrtc/health").status == 200)
    world.ask("healthSfu")


@produces("callStats", 200)
@produces("callGraph", 200)
def _(world: World) -> None:
    world.system.stack.start_sfu()
    wait_until(lambda: world.system.stack.request("GET", "/realtime/webrtc/health").status == 200)
    world.ask("callStats")
    world.ask("callGraph")


@produces("openapi", 304)
def _(world: World) -> None:
    world.ask("openapi", If_None_Match=world.ask("openapi").headers["ETag"])


@produces("channelMessages", 200)
def _(world: World) -> None:
    for body in ({"channel": "kept", "text": "1"}, {"channel": "kept", "text": "2"}):
        world.ask("send", body=body | {"persistent": True})
    world.ask("binarySend", body={"channel": "kept", "binary_data": "aGVsbG8=", "persistent": True})
    world.ask("notifyChannel", body={"channel": "kept", "title": "t", "body": "b", "persistent": True})
    page = world.ask("channelMessages", path={"channel": "kept"}, query="?limit=3").json
    assert [item["type"] for item in page["items"]] == ["notification", "binary", "message"] and page["next"]


@produces("notificationRead", 204)
def _(world: World) -> None:
    sent = world.ask("notify", body={"user_id": "ann", "title": "t", "body": "b"}).json
    world.ask("notifications", credential="ann")
    world.ask("notificationRead", path={"notification_id": sent["notification_id"]}, credential="ann")


@produces("roomCreate", 201)
def _(world: World) -> None:
    world.ask("roomCreate", body={}, credential="ann")


@produces("roomDelete", 204)
def _(world: World) -> None:
    room_id = world.ask("roomCreate", body={}).json["room_id"]
    world.ask("roomDelete", path={"room_id": room_id})


@produces("room", 304)
def _(world: World) -> None:
    world.ask("room", If_None_Match=world.ask("room").headers["ETag"])


simple("roomCreate", 409, body={"room_id": "team"})
ONCE = ("send", "broadcast", "binarySend", "binaryText", "notify", "notifyChannel", "notifyEverybody", "roomCreate")


def twice(world: World, name: str) -> None:
    """With one key: again, while it is still served (but for rooms, which are there at once), and for something else."""
    body, key = {} if name == "roomCreate" else CONTRACT.example(CONTRACT.operations[name]), f"contract-{name}"
    first = world.ask(name, body=body, Idempotency_Key=key)
    again = world.ask(name, body=body, Idempotency_Key=key)
    assert again.body == first.body and again.headers["Idempotency-Replayed"] == "true"
    assert world.ask(name, body={**body, "more": 1}, Idempotency_Key=key).status == 422
    if name != "roomCreate":
        world.system.sql("UPDATE idempotency_keys SET status = NULL, leased_until = 1 << 60 WHERE key = ?",
                         "rest:" + hashlib.sha256(f"root\0{key}\0".encode()).hexdigest())
        assert world.ask(name, body=body, Idempotency_Key=key).headers["Retry-After"] == "1"


for _name in ONCE:
    produces(_name, 422, *(() if _name == "roomCreate" else (409,)))(lambda world, name=_name: twice(world, name))

WEBHOOK = "whk_V3xKp8dLmQ2ZsYwBn7RcTg"  # the document's, which leads nowhere
simple("webhooks", 200)
simple("webhook", 200)
simple("webhookUpdate", 200, body={"description": "changed"})
simple("webhookRotateSecret", 200, body={})
simple("search", 200)


@produces("webhookCreate", 201)
@produces("webhookDelete", 204)
@produces("webhookTest", 202)
@produces("webhookDeliveries", 200)
@produces("webhookRetry", 202, 404, 409)
def _(world: World) -> None:
    made = world.ask("webhookCreate", body={"url": "https://localhost:1/", "enabled": False})
    path = {"webhook_id": made.json["webhook_id"]}
    delivery_id = str(world.ask("webhookTest", path=path).json["delivery_id"])
    world.ask("webhookDeliveries", path=path)
    world.ask("webhookRetry", path=path | {"delivery_id": delivery_id})
    world.ask("webhookRetry", path=path | {"delivery_id": "999"})
    world.system.sql("UPDATE webhook_deliveries SET is_posting = 1, next_attempt_at = 1 << 60 WHERE delivery_id = ?", delivery_id)
    world.ask("webhookRetry", path=path | {"delivery_id": delivery_id})
    world.ask("webhookDelete", path=path)


@produces("webhookCreate", 409)
def _(world: World) -> None:
    made = []
    while (answer := world.ask("webhookCreate", body={"url": "https://localhost:1/", "enabled": False})).status == 201:
        made.append(answer.json["webhook_id"])
    for webhook_id in made:
        world.ask("webhookDelete", path={"webhook_id": webhook_id})


for _name in ("webhook", "webhookDelete", "webhookTest", "webhookDeliveries"):
    simple(_name, 404, path={"webhook_id": "whk_none"})
for _name in ("webhookUpdate", "webhookRotateSecret"):
    simple(_name, 404, path={"webhook_id": "whk_none"}, body={})
for _name in ("webhooks", "webhook", "webhookDeliveries", "search"):
    simple(_name, 403, credential="nobody")
simple("roomUpdate", 412, body={"name": "x"}, If_Match='"0-0-0"')


def upload(world: World, credential: str = "ann", query: str = "") -> dict:
    return world.ask("fileUpload", body=PNG, credential=credential, query=query, Content_Type="image/png").json


@produces("binaryUpload", 201)
def _(world: World) -> None:
    for files in ([a_file(PNG)], [a_file(PNG), a_file(b"text", "a.txt", "text/plain")]):
        world.ask("binaryUpload", body=form(*files), query="?channel=general", credential="ann",
                  Content_Type=FORM)


@produces("fileUpload", 201)
@produces("file", 200, 206, 304, 416)
@produces("fileDelete", 204)
def _(world: World) -> None:
    file_id = {"file_id": upload(world, query="?filename=dot.png")["file_id"]}
    etag = world.ask("file", path=file_id).headers["ETag"]
    world.ask("file", path=file_id, If_None_Match=etag)
    assert world.ask("file", path=file_id, Range="bytes=0-3").body == PNG[:4]
    world.ask("file", path=file_id, Range="bytes=9999-")
    world.ask("fileDelete", path=file_id, credential="ann")


simple("files", 200)
simple("files", 403, credential="nobody", query="?user_id=ann")


@produces("file", 403)
def _(world: World) -> None:
    kept = upload(world, query="?channel=members_only")
    world.ask("file", path={"file_id": kept["file_id"]}, credential="nobody")


def begin(world: World, size: int = 10, credential: str = "ann") -> dict[str, str]:
    made = world.ask("uploadCreate", credential=credential, Upload_Length=str(size))
    return {"upload_id": made.headers["Location"].rsplit("/", 1)[1]}


def piece(world: World, upload_id: dict[str, str], body: bytes, offset: int = 0, **headers: str) -> Answer:
    return world.ask("uploadPiece", path=upload_id, body=body, credential="ann", Upload_Offset=str(offset),
                     **{"Content_Type": PIECE, **headers})


@produces("uploadCreate", 201)
@produces("uploadPiece", 204, 409)
@produces("uploadProgress", 200)
@produces("uploadDelete", 204)
def _(world: World) -> None:
    one = begin(world)
    assert piece(world, one, b"01234").headers["Upload-Offset"] == "5"
    assert piece(world, one, b"01234").status == 409
    world.ask("uploadProgress", path=one, credential="ann")
    assert piece(world, one, b"56789", 5).headers["Content-Location"]
    assert world.ask("uploadProgress", path=one, credential="ann").headers["Content-Location"]
    world.ask("uploadDelete", path=begin(world), credential="ann")


def upload_sum(text: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(text).digest()).decode()


@produces("uploadPiece", 460)
@produces("uploadCreate", 460)
def _(world: World) -> None:
    piece(world, begin(world), b"01234", Upload_Checksum=upload_sum(b"other"))
    world.ask("uploadCreate", body=b"01234", Upload_Length="5", Content_Type=PIECE, Upload_Checksum=upload_sum(b"other"))


@produces("uploadPiece", 423)
def _(world: World) -> None:
    one = begin(world, 100_000)
    with socket.create_connection(("127.0.0.1", world.system.stack.port)) as slow:
        slow.sendall((f"PATCH /realtime/uploads/{one['upload_id']} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n"
                      f"Authorization: Bearer {world.ann}\r\nUpload-Offset: 0\r\nContent-Type: {PIECE}\r\n"
                      "Content-Length: 100000\r\n\r\n").encode() + b"x" * 80_000)
        path = world.system.stack.folder / "files" / "partial" / one["upload_id"]
        wait_until(lambda: path.stat().st_size > 0)
        piece(world, one, b"0123456789")


def over_quota(name: str, **how: Any) -> None:
    simple(name, 507, credential="full", **how)


over_quota("fileUpload", body=PNG, Content_Type="image/png")
over_quota("binaryUpload", body=form(a_file(PNG)), Content_Type=FORM)
over_quota("uploadCreate", Upload_Length="10")
over_quota("binarySend", body={"content_type": "text/plain", "binary_data": base64.b64encode(b"x" * 300_000).decode()})
over_quota("binaryText", body={"text": "x" * 300_000})


@produces("uploadPiece", 507)
def _(world: World) -> None:
    """There was room when it began."""
    one = begin(world)
    world.system.sql("INSERT INTO upload_usage VALUES ('ann', 1, ?) ON CONFLICT DO UPDATE SET size_bytes = size_bytes + excluded.size_bytes",
                     4 << 20)
    piece(world, one, b"0123456789")
    world.system.sql("UPDATE upload_usage SET size_bytes = size_bytes - ? WHERE user_id = 'ann'", 4 << 20)


# Too large, or of a type that is not taken.
simple("uploadCreate", 413, Upload_Length=str(6 << 30))
simple("uploadCreate", 415, body=b"MZ\x90\x00" + bytes(16), Upload_Length="20", Content_Type=PIECE,
       Upload_Metadata="filetype YXBwbGljYXRpb24veC1leGU=")
simple("fileUpload", 413, body=bytes(FILE_MAX + 1), Content_Type="image/png")
simple("fileUpload", 415, body=b"x", Content_Type="application/x-exe")
simple("binaryUpload", 413, body=form(a_file(bytes(FILE_MAX + 1))), Content_Type=FORM)
simple("binaryUpload", 415, body=form(a_file(b"x", "a.exe", "application/x-exe")), Content_Type=FORM)
simple("binaryUpload", 400, body=f"--{BOUNDARY}\r\nno end".encode(), Content_Type=FORM)
simple("whipStart", 413, body=b"v=0" + b"x" * BODY_MAX, Content_Type=SDP)
simple("whepStart", 413, body=b"v=0" + b"x" * BODY_MAX, Content_Type=SDP)
for _name in ("whipPatch", "whepPatch"):
    simple(_name, 413, body=b"x" * (BODY_MAX + 1), Content_Type=TRICKLE, If_Match="*")
    simple(_name, 400, body=b"a=\0", Content_Type=TRICKLE, If_Match="*")
    simple(_name, 428, body=b"a=x", Content_Type=TRICKLE)
for _name in ("whipStart", "whepStart", "whipPatch", "whepPatch"):
    simple(_name, 415, body=b"x", Content_Type="text/plain")


@produces("uploadPiece", 413)
def _(world: World) -> None:
    piece(world, begin(world), b"0123456789ten")


@produces("uploadPiece", 415)
def _(world: World) -> None:
    piece(world, begin(world), b"01234", Content_Type="text/plain")


# Who it is, and is not for.
for _name in ("uploadCreate", "fileUpload", "binaryUpload"):
    simple(_name, 403, query="?channel=general", body=b"", credential="nobody", Upload_Length="5", Content_Type="text/plain",
           Upload_Metadata="channel Z2VuZXJhbA==")
for _name in ("send", "broadcast", "binarySend", "binaryText", "notify", "notifyChannel", "notifyEverybody", "roomCreate",
              "participantMute", "banCreate", "inviteCreate"):
    PRODUCERS[_name, 403] = lambda world, name=_name: world.ask(
        name, body=CONTRACT.example(CONTRACT.operations[name]), credential="nobody")
for _name in ("channels", "channel", "channelMessages", "channelPresence", "metrics", "connections", "connection",
              "callConnections", "participants", "participant", "participantKick", "bans", "banDelete", "invites", "inviteDelete",
              "callStats", "callGraph", "sessions"):
    simple(_name, 403, credential="nobody")

# What is not there.
simple("connection", 404)
simple("connectionClose", 404)
simple("notificationRead", 404)
simple("uploadProgress", 404)
simple("uploadDelete", 404)
simple("uploadPiece", 404, body=b"x", Upload_Offset="0", Content_Type=PIECE)
simple("file", 404)
simple("fileDelete", 404)
for _name in ("send", "binarySend", "binaryText"):
    PRODUCERS[_name, 404] = lambda world, name=_name: world.ask(name, body={
        "connection_id": "conn_x", **({"binary_data": "eA==", "content_type": "text/plain"} if name == "binarySend" else {"text": "x"})})
simple("fileUpload", 404, body=b"text", query="?connection_id=conn_x", Content_Type="text/plain")
simple("binaryUpload", 404, body=form(a_file(PNG)), query="?connection_id=conn_x", Content_Type=FORM)
simple("uploadCreate", 404, body=b"hello", Upload_Length="5", Content_Type=PIECE, Upload_Metadata="connection_id Y29ubl94")
for _name in ("uploadCreate", "uploadPiece", "uploadProgress", "uploadDelete"):
    simple(_name, 412, Tus_Resumable="0.2.2")
for _name in ("participant", "participantKick", "banDelete", "inviteDelete"):
    simple(_name, 404)
simple("participantMute", 404, body={"audio_muted": True})
for _name in ("banCreate", "inviteCreate"):
    simple(_name, 404, path={"room_id": "nowhere"}, body={"user_id": "ann"} if _name == "banCreate" else {})
for _name in ("room", "roomDelete", "participants", "callStats", "callGraph", "bans", "invites"):
    simple(_name, 404, path={"room_id": "nowhere"})
simple("roomUpdate", 404, path={"room_id": "nowhere"}, body={"name": "x"})
for _name in ("whipStart", "whepStart"):
    simple(_name, 404, path={"room_id": "nowhere"}, body=b"v=0", Content_Type=SDP)
for _name in ("whipEnd", "whepEnd"):
    simple(_name, 404)
for _name in ("whipPatch", "whepPatch"):
    simple(_name, 404, body=b"x", Content_Type=TRICKLE, If_Match="*")
simple("signal", 404, body={"room_id": "team", "sender_peer_id": "peer_x", "signal_type": "bye"})


# Calls.


def patch_ice(world: World, name: str, session: dict[str, str]) -> None:
    for if_match, body, status in (('"once"', b"a=x", 204), ("*", b"a=ice-ufrag:x", 200), ('"other"', b"a=x", 412), ("*", b"a=x", 422)):
        answer = world.ask(name, path=session, body=body, credential="ann", Content_Type=TRICKLE, If_Match=if_match)
        assert answer.status == status, answer.body


@produces("whipStart", 201, 409)
@produces("whipPatch", 200, 204, 412, 422)
@produces("whipEnd", 204)
@produces("participants", 200)
@produces("sessions", 200)
def _(world: World) -> None:
    room = {"room_id": world.ask("roomCreate", body={"max_participants": 1}, credential="ann").json["room_id"]}
    place = world.ask("whipStart", path=room, body=b"v=0", credential="ann", Content_Type=SDP).headers["Location"]
    session = room | {"session_id": place.rsplit("/", 1)[1]}
    assert world.ask("participants", path=room).json["total"] == 1
    world.ask("callConnections")
    world.ask("whipStart", path=room, body=b"v=0", credential="ann", Content_Type=SDP)
    patch_ice(world, "whipPatch", session)
    world.ask("whipEnd", path=session, credential="ann")
    wait_until(lambda: world.ask("sessions", path=room).json["items"][0]["leave_reason"] == "left")


PRESENT: dict[str, str] = {}  # a room and a peer in it that stays


def present(world: World) -> dict[str, str]:
    if not PRESENT:
        room_id = world.ask("roomCreate", body={}, credential="ann").json["room_id"]
        place = world.ask("whipStart", path={"room_id": room_id}, body=b"v=0", credential="ann", Content_Type=SDP).headers["Location"]
        PRESENT.update({"room_id": room_id, "peer_id": place.rsplit("/", 1)[1]})
    return PRESENT


@produces("participant", 200)
@produces("participantMute", 200)
def _(world: World) -> None:
    world.ask("participantMute", path=present(world), body={"audio_muted": True})
    assert world.ask("participant", path=present(world)).json["audio_muted"] is True


@produces("participantKick", 204, 400, 413)
def _(world: World) -> None:
    one = present(world)
    world.ask("participantKick", path=one, query=f"?reason={'x' * 501}")
    world.ask("participantKick", path=one, body=b"x" * (BODY_MAX + 1))
    world.ask("participantKick", path=one, body={"reason": "be kind"})
    PRESENT.clear()


@produces("banCreate", 201, 409)
@produces("bans", 200)
@produces("banDelete", 204)
def _(world: World) -> None:
    room = {"room_id": world.ask("roomCreate", body={}).json["room_id"]}
    ban = world.ask("banCreate", path=room, body={"user_id": "ann", "reason": "spam"}).json
    assert [one["ban_id"] for one in world.ask("bans", path=room).json["items"]] == [ban["ban_id"]]
    assert world.ask("whepStart", path=room, body=b"v=0", credential="ann", Content_Type=SDP).json["code"] == "banned"
    world.ask("banDelete", path=room | {"ban_id": ban["ban_id"]})
    viewer = world.ask("whepStart", path=room, body=b"v=0", credential=None, Content_Type=SDP).headers["Location"]
    world.ask("banCreate", path=room, body={"peer_id": viewer.rsplit("/", 1)[1]})


@produces("inviteCreate", 201, 409)
@produces("invites", 200)
@produces("inviteDelete", 204)
def _(world: World) -> None:
    room = {"room_id": world.ask("roomCreate", body={}).json["room_id"]}
    made = world.ask("inviteCreate", path=room, body={"max_uses": 1, "ttl": 60}).json
    assert world.ask("invites", path=room).json["items"][0]["invite_id"] == made["invite_id"]
    for _ in range(2):
        last = world.ask("whepStart", path=room, body=b"v=0", credential=None, Content_Type=SDP, X_Room_Invite=made["token"])
    assert last.json["code"] == "invite_used_up"
    world.ask("inviteDelete", path=room | {"invite_id": made["invite_id"]})
    world.system.sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)"
                     " INSERT INTO room_invites (invite_id, room_id, token_hash, created_at) SELECT 'i' || i, ?, randomblob(32), 1 FROM n",
                     room["room_id"])
    assert world.ask("inviteCreate", path=room, body={}).json["code"] == "too_many_invites"


@produces("whipStart", 423, 429)
@produces("whepStart", 423, 429)
def _(world: World) -> None:
    for name in ("whipStart", "whepStart"):
        room = {"room_id": world.ask("roomCreate", body={"password": "secret"}).json["room_id"]}
        ask = {"path": room, "body": b"v=0", "credential": "ann", "Content_Type": SDP}
        assert world.ask(name, **ask).json["code"] == "password_required"
        assert [world.ask(name, **ask, X_Room_Password="a").json["code"] for _ in range(6)] == 5 * ["wrong_password"] + ["too_many_guesses"]
        world.ask("roomUpdate", path=room, body={"locked": True, "password": None})
        assert world.ask(name, **ask).json["code"] == "room_locked"


@produces("whepStart", 201)
@produces("whepPatch", 200, 204, 412, 422)
@produces("whepEnd", 204)
def _(world: World) -> None:
    place = world.ask("whepStart", body=b"v=0", credential="ann", Content_Type=SDP).headers["Location"]
    session = {"session_id": place.rsplit("/", 1)[1]}
    patch_ice(world, "whepPatch", session)
    world.ask("whepEnd", path=session, credential="ann")


@produces("signal", 202)
@produces("connection", 200)
@produces("connectionClose", 204)
def _(world: World) -> None:
    async def run() -> None:
        async with connect(world.system, f"/realtime/webrtc/signaling?room_id=team&token={world.ann}") as client:
            peer_id = (await client.hear("joined"))["peer_id"]
            await asyncio.to_thread(world.ask, "signal", credential="ann", body={
                "room_id": "team", "sender_peer_id": peer_id, "signal_type": "offer", "sdp": "v=0"})
            for said in ({"target_peer_id": "peer_x", "signal_type": "bye"}, {"signal_type": "offer"}):
                bad = await asyncio.to_thread(world.ask, "signal", credential="ann", body={
                    "room_id": "team", "sender_peer_id": peer_id, **said})
                assert bad.fields
        async with connect(world.system, f"/realtime/ws?token={world.ann}") as client:
            one = {"connection_id": (await client.hear("welcome"))["connection_id"]}
            await client.say(type="subscribe", channel="general")
            await client.hear("subscribed")
            for name in ("connections", "channels", "channel", "channelPresence"):
                await asyncio.to_thread(world.ask, name)
            await asyncio.to_thread(world.ask, "connection", path=one)
            await asyncio.to_thread(world.ask, "connectionClose", path=one)

    asyncio.run(run())


@pytest.mark.parametrize("producer", list({id(one): one for one in PRODUCERS.values()}.values()),
                         ids=lambda one: next(f"{name}-{status}" for (name, status), it in PRODUCERS.items() if it is one))
def test_what_is_its_own(world: World, producer: Producer) -> None:
    producer(world)
    for (name, status), it in PRODUCERS.items():
        if it is producer:
            assert (name, status) in CONTRACT.seen, f"{name} did not answer {status}"


# ---- what all have ----


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_wrong_key_is_refused_everywhere(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, credential="rtk_wrong")
    assert answer.status == 401 and (operation.method == "HEAD" or answer.json["code"] == "bad_api_key")


@pytest.mark.parametrize("operation", [one for one in OURS if one.spec["x-access"] in ("publish", "admin")], **IDS)
def test_who_shows_nothing_is_refused(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, credential=None)
    assert answer.status == 401 and answer.json["code"] == "authentication_required"
    assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("operation", [one for one in OURS if one.method not in ("GET", "HEAD", "OPTIONS")], **IDS)
def test_a_page_of_another_site_changes_nothing(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, Origin="https://evil.example")
    assert answer.status == 403 and answer.json["code"] == "forbidden_origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_malformed_query_is_refused(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, query="?a=%zz")
    assert answer.status == 400 and (operation.method == "HEAD" or answer.json["code"] == "bad_query")


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_bad_parameter_is_named(world: World, operation: Operation) -> None:
    for place in ("query", "path"):
        for parameter in CONTRACT.parameters(operation, place):
            for bad in bad_texts(CONTRACT.resolve(parameter.get("schema", {}))):
                query = f"?{parameter['name']}={bad.replace(' ', '+')}" if place == "query" else ""
                how = {"path": {parameter["name"]: bad}} if place == "path" else {}
                if operation.id.endswith("Start"):
                    how |= {"body": b"v=0", "Content_Type": SDP}
                elif operation.id.endswith("Patch"):
                    how |= {"body": b"x", "Content_Type": TRICKLE}
                elif CONTRACT.takes_json(operation):
                    how |= {"body": CONTRACT.example(operation)}
                elif operation.id == "fileUpload":
                    how |= {"body": b"text", "Content_Type": "text/plain"}
                elif operation.id == "binaryUpload":
                    how |= {"body": form(a_file(PNG)), "Content_Type": FORM}
                answer = world.ask(operation.id, query=query, **how)
                assert answer.status == 400 and answer.fields == [f"/{parameter['name']}"], (parameter["name"], bad, answer.body)
                assert parameter["name"] in answer.json["detail"]


@pytest.mark.parametrize("operation", JSON, **IDS)
def test_a_bad_field_is_named_with_its_rule(world: World, operation: Operation) -> None:
    for name, body in CONTRACT.bad_bodies(operation):
        answer = world.ask(operation.id, body=body)
        assert answer.status in (400, 413), (name, body, answer.status, answer.body)
        assert answer.fields == [f"/{name}"], (name, body, answer.body)
        assert name in answer.json["errors"][0]["detail"], answer.body


@pytest.mark.parametrize("operation", JSON, **IDS)
@pytest.mark.parametrize(("body", "code"), [
    (b"", "bad_json"), (b"[]", "bad_json"), (b"{", "bad_json"), (b'{"a":1,"a":2}', "bad_json"), (b'{"a":"\xff"}', "bad_json"),
    (b'{"a":"\\u0000"}', "bad_json"), (b'{"a":1e999}', "bad_json"), (b"[" * 60000, "bad_json"),
    (b'{"a":' * 9000 + b"1" + b"}" * 9000, "bad_json"), (b'{"a":99999999999999999999}', "bad_json"), (b"\x1f\x8b\x08" + bytes(9), "bad_json")],
    ids=["empty", "array", "cut", "twice", "bad-utf-8", "nul", "infinite", "deep-arrays", "deep-objects", "huge", "gzip"])
def test_what_is_no_json_object_is_refused(world: World, operation: Operation, body: bytes, code: str) -> None:
    answer = world.ask(operation.id, body=body, Content_Type="application/json")
    assert answer.status == 400 and answer.json["code"] == code


@pytest.mark.parametrize("operation", JSON, **IDS)
def test_another_type_or_too_large_a_body_is_refused(world: World, operation: Operation) -> None:
    assert world.ask(operation.id, body=b"a=b", Content_Type="application/x-www-form-urlencoded").status == 415
    too_large = FILE_MAX * 2 if operation.id.startswith("binary") else BODY_MAX + 1
    assert world.ask(operation.id, body=b"{" + b" " * too_large, Content_Type="application/json").status == 413


@pytest.mark.parametrize("path", sorted({one.path for one in OURS}))
def test_other_methods_are_refused_with_those_that_are_not(world: World, path: str) -> None:
    known = [one for one in OURS if one.path == path]
    methods = {one.method for one in known} | {"OPTIONS"} | ({"HEAD"} if any(one.method == "GET" for one in known) else set())
    for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "TRACK", "PROPFIND"} - methods:
        answer = world.system.stack.request(method, CONTRACT.fill(known[0], {}), b"", bearer(world.admin))
        assert answer.status == 405 and answer.json["code"] == "method_not_allowed", (method, answer.body)
        allowed = answer.headers["Allow"].split(", ")
        assert sorted(allowed) == sorted(methods), (method, allowed)
    options = world.system.stack.request("OPTIONS", CONTRACT.fill(known[0], {}))
    assert options.status == 204


def test_where_calls_are_off_their_paths_are_not_there(tmp_path: Path) -> None:
    world = World(tmp_path, WEBRTC_ENABLED="false")
    try:
        for operation in OURS:
            if "webrtc_disabled" in CONTRACT.codes(operation, 404):
                assert world.ask(operation.id).json["code"] == "webrtc_disabled"
    finally:
        world.stop()


READY: dict[str, dict[str, Any]] = {
    "fileUpload": {"body": b"text", "query": "?channel=general", "Content_Type": "text/plain"},
    "binaryUpload": {"body": form(a_file(PNG)), "query": "?channel=general", "Content_Type": FORM},
    "uploadCreate": {"body": b"", "Upload_Length": "0", "Upload_Metadata": "channel Z2VuZXJhbA==,filetype dGV4dC9wbGFpbg=="},
    "whipStart": {"body": b"v=0", "Content_Type": SDP}, "whepStart": {"body": b"v=0", "Content_Type": SDP},
    "whipPatch": {"body": b"x", "Content_Type": TRICKLE, "If_Match": "*"}, "whepPatch": {"body": b"x", "Content_Type": TRICKLE, "If_Match": "*"},
    "connectionsCloseOfUser": {"query": "?user_id=ann"},
    "banCreate": {"body": {"peer_id": "peer_x"}},
}


def test_without_its_companions_each_says_so(tmp_path: Path) -> None:
    """First realtimed is away, then the API too."""
    world = World(tmp_path)
    try:
        world.ask("roomCreate", body={"room_id": "team"})
        one = begin(world)
        world.system.daemon.stop()
        for operation in OURS:
            if "bus_unavailable" not in CONTRACT.codes(operation, 503) or operation.id == "uploadPiece":
                continue
            how = READY.get(operation.id) or ({"body": CONTRACT.example(operation)} if CONTRACT.takes_json(operation) else {})
            answer = world.ask(operation.id, **how)
            assert answer.status == 503 and answer.json["code"] == "bus_unavailable", (operation.id, answer.body)
            assert answer.json["retry_after"] == int(answer.headers["Retry-After"])
        assert piece(world, one, b"0123456789").status == 204  # kept without being told of
        assert world.ask("healthRealtimed").status == world.ask("healthSfu").status == 503
        world.system.stack.stop("api")
        for operation in OURS:
            answer = world.ask(operation.id)
            assert answer.status == 503 and answer.headers["Retry-After"] == "1", operation.id
    finally:
        world.stop()


# ---- realtimed's ----


@pytest.mark.parametrize(("query", "headers", "status"), [
    ("", {}, 101), ("", {"Upgrade": ""}, 400), ("token=wrong", {}, 401), ("", {"Origin": "https://evil.example"}, 403)])
@pytest.mark.parametrize("name", ["webSocket", "signaling"])
def test_websockets_are_opened_or_refused(world: World, name: str, query: str, headers: dict[str, str], status: int) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
    sent = {key: value for key, value in (upgrade | headers).items() if value}
    operation = CONTRACT.operations[name]
    with socket.create_connection(("127.0.0.1", world.system.stack.port), 10) as connection:
        lines = "".join(f"{key}: {value}\r\n" for key, value in sent.items())
        connection.sendall(f"GET {operation.path}?room_id=team&{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        head = connection.recv(4096).decode("latin-1")
    assert head.split()[1] == str(status), head
    assert str(status) in operation.spec["responses"]
    CONTRACT.seen.add((name, status))


@pytest.mark.parametrize(("query", "headers", "status"), [
    ("?channel=general", {}, 200), ("?channel=general", {"Last-Event-ID": "farewell"}, 204), ("", {}, 400),
    ("?channel=general&token=wrong", {}, 401), ("?channel=general", {"Origin": "https://evil.example"}, 403)])
def test_event_streams_are_opened_or_refused(world: World, query: str, headers: dict[str, str], status: int) -> None:
    operation = CONTRACT.operations["events"]
    with socket.create_connection(("127.0.0.1", world.system.stack.port), 10) as connection:
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        connection.sendall(f"GET {operation.path}{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        head = connection.recv(4096).decode("latin-1")
    assert head.split()[1] == str(status), head
    assert status != 200 or "text/event-stream" in head
    CONTRACT.seen.add(("events", status))


def test_without_realtimed_its_paths_answer_503(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.system.daemon.stop()
        for operation in CONTRACT.operations.values():
            if not operation.is_ours:
                answer = world.system.stack.request(operation.method, operation.path)
                CONTRACT.judge(operation, answer)
                assert answer.json["code"] == "realtimed_unavailable"
    finally:
        world.stop()


# ---- the whole ----


def test_examples_are_what_their_schemas_say() -> None:
    for operation in CONTRACT.operations.values():
        bodies = [operation.spec.get("requestBody", {}), *map(CONTRACT.resolve, operation.spec["responses"].values())]
        for content in (body.get("content", {}) for body in bodies):
            for kind, media in content.items():
                examples = [one["value"] for one in media.get("examples", {}).values()]
                for example in examples + ([media["example"]] if "example" in media else []):
                    if "json" in kind:
                        CONTRACT.validate(example, media["schema"], f"{operation.id}: its example")


def test_every_documented_status_was_seen(request: pytest.FixtureRequest) -> None:
    """The last one: what the others have produced."""
    if len(request.session.items) < 400:
        pytest.skip("only some of the tests are run")
    missing = [f"{operation.id} {status}" for operation in CONTRACT.operations.values() for status in operation.statuses
               if (operation.id, status) not in CONTRACT.seen]
    assert not missing, f"documented, and produced by nothing: {missing}"
