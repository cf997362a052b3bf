"""How each status of the OpenAPI document comes about that is an operation's own: requests which have it for an answer."""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Callable
from typing import Any

from answer import Answer
from conftest import wait_until
from contract_world import BODY_MAX, CONTRACT, FILE_MAX, FORM, PIECE, SDP, TRICKLE, World
from form import BOUNDARY, a_file, form
from samples import PNG

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
simple("roomDelete", 412, If_Match='"0-0-0"')


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
@produces("uploadProgress", 423)
def _(world: World) -> None:
    one = begin(world, 100_000)
    with socket.create_connection(("127.0.0.1", world.system.stack.port)) as slow:
        slow.sendall((f"PATCH /realtime/uploads/{one['upload_id']} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\n"
                      f"Authorization: Bearer {world.ann}\r\nUpload-Offset: 0\r\nContent-Type: {PIECE}\r\n"
                      "Content-Length: 100000\r\n\r\n").encode() + b"x" * 80_000)
        path = world.system.stack.folder / "files" / "partial" / one["upload_id"]
        wait_until(lambda: path.stat().st_size > 0)
        piece(world, one, b"0123456789")
        world.ask("uploadProgress", path=one, credential="ann")


def whole(world: World, **headers: str) -> dict[str, str]:
    """All of it is on the disk, and was not kept."""
    made = world.ask("uploadCreate", credential="ann", Upload_Length="10", **headers)
    one = {"upload_id": made.headers["Location"].rsplit("/", 1)[1]}
    (world.system.stack.folder / "files" / "partial" / one["upload_id"]).write_bytes(b"0123456789")
    return one


@produces("uploadProgress", 403, 415)
def _(world: World) -> None:
    world.ask("uploadProgress", path=whole(world, Upload_Metadata="channel Z2VuZXJhbA=="),
              credential=world.system.token("ann", channels={}))
    world.ask("uploadProgress", path=whole(world, Upload_Metadata="filetype YXBwbGljYXRpb24veC1leGU="), credential="ann")


def over_quota(name: str, **how: Any) -> None:
    simple(name, 507, credential="full", **how)


over_quota("fileUpload", body=PNG, Content_Type="image/png")
over_quota("binaryUpload", body=form(a_file(PNG)), Content_Type=FORM)
over_quota("uploadCreate", Upload_Length="10")
over_quota("binarySend", body={"content_type": "text/plain", "binary_data": base64.b64encode(b"x" * 300_000).decode()})
over_quota("binaryText", body={"text": "x" * 300_000})


@produces("uploadPiece", 507)
@produces("uploadProgress", 507)
def _(world: World) -> None:
    """There was room when it began."""
    one, other = begin(world), whole(world)
    world.system.sql("INSERT INTO upload_usage VALUES ('ann', 1, ?) ON CONFLICT DO UPDATE SET size_bytes = size_bytes + excluded.size_bytes",
                     4 << 20)
    piece(world, one, b"0123456789")
    world.ask("uploadProgress", path=other, credential="ann")
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
