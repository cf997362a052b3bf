"""The same for calls: who is in one, by WHIP, WHEP and signals, and who is kept out of it."""

from __future__ import annotations

import asyncio

from conftest import wait_until
from contract_producers import produces
from contract_world import BODY_MAX, SDP, TRICKLE, World
from realtimed import connect


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
