"""Signalling with a real daemon, real clients and an SFU that is played."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import bus_peer as bus
import pytest
from bearer import SECRET, token_of
from conftest import wait_until
from realtimed import Client, Realtimed, chat, connect

PATH = "/realtime/webrtc/signaling?room_id="


@asynccontextmanager
async def played(daemon: Realtimed, role: str) -> AsyncIterator[bus.BusPeer]:
    peer = bus.BusPeer(daemon.bus, role)
    answer = await peer.connect()
    assert answer["role"] == "realtimed" and answer["epoch"]
    try:
        yield peer
    finally:
        await peer.close()


def rows(daemon: Realtimed, sql: str) -> list[tuple]:
    with sqlite3.connect(daemon.database) as db:
        return db.execute(sql).fetchall()


def test_a_chat_connection_may_signal_for_its_users_peer(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, REALTIME_JWT_SECRET=SECRET, REALTIME_ANONYMOUS_PUBLISH="false")
    daemon.start()

    async def run() -> None:
        sfu = bus.BusPeer(daemon.bus, "sfu")
        await sfu.connect()
        ann, bob = (f"?token={token_of(user)}" for user in ("ann", "bob"))
        async with connect(daemon, f"{PATH}r&{ann[1:]}") as call, connect(daemon, "/realtime/ws" + ann) as chatting, \
                connect(daemon, "/realtime/ws" + bob) as stranger:
            peer_id = (await call.hear("joined"))["peer_id"]
            offer = {"type": "signal", "signal_type": "offer", "target_peer_id": "sfu", "room_id": "r", "sdp": "v=0"}
            await chatting.say(**offer, id=1)
            assert (await chatting.hear("ack"))["id"] == 1
            passed = await sfu.hears(bus.PEER_SIGNAL)
            assert (passed["peer_id"], passed["sdp"]) == (peer_id, "v=0")
            await stranger.hear("welcome")
            for said, code in (({**offer, "sender_peer_id": peer_id}, "forbidden"), (offer, "missing_field"),
                               ({**offer, "sender_peer_id": "x"}, "unknown_peer"), ({"type": "signal"}, "missing_field")):
                await stranger.say(**said, id=2)
                answer = await stranger.hear()
                assert (answer["type"], answer["code"], answer["id"]) == ("error", code, 2)
        await sfu.close()

    asyncio.run(run())
    daemon.stop()


def test_turn_credentials_are_each_peers_own(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, WEBRTC_STUN_SERVERS="stun:s:1", WEBRTC_TURN_URLS="turn:t:3478,turns:t:5349",
                       WEBRTC_TURN_SECRET="north", WEBRTC_TURN_TTL="600")
    daemon.start()

    async def run() -> None:
        seen = set()
        for _ in range(2):
            async with connect(daemon, "/realtime/webrtc/signaling?room_id=r") as client:
                joined = await client.hear("joined")
                stun, turn = joined["ice_servers"]
                assert stun["urls"] == ["stun:s:1"] and turn["urls"] == ["turn:t:3478", "turns:t:5349"]
                ends, name = turn["username"].split(":")
                assert 590 < int(ends) - time.time() < 601 and name == joined["peer_id"]
                mac = hmac.new(b"north", turn["username"].encode(), hashlib.sha1).digest()
                assert turn["credential"] == base64.b64encode(mac).decode()
                seen.add(turn["credential"])
        assert len(seen) == 2
        assert "north" not in daemon.log() and not any(one in daemon.log() for one in seen)

    asyncio.run(run())
    daemon.stop()


@pytest.mark.parametrize(("settings", "says"), [
    ({"WEBRTC_SVC": "true", "WEBRTC_CODECS": "opus,vp9,VP8"}, {"codec": "VP9", "scalability_mode": "L3T3_KEY"}),
    ({"WEBRTC_SVC": "true", "WEBRTC_CODECS": "VP8,VP9"}, None),
    ({"WEBRTC_SVC": "true", "WEBRTC_CODECS": "AV1,VP9"}, None),
    ({"WEBRTC_CODECS": "VP9"}, None),
])
def test_who_joins_is_told_to_send_layers_where_they_can_be(tmp_path: Path, settings: dict, says: dict | None) -> None:
    daemon = Realtimed(tmp_path, **settings)
    daemon.start()

    async def run() -> None:
        async with connect(daemon, PATH + "r") as client:
            assert (await client.hear("joined")).get("svc") == says

    asyncio.run(run())
    daemon.stop()


def test_two_people_join_signal_and_leave(daemon: Realtimed) -> None:
    async def run() -> None:
        async with played(daemon, "sfu") as sfu, connect(daemon, PATH + "r&name=Ann") as ann:
            joined = await ann.hear("joined")
            assert joined["mode"] == "sfu" and joined["peers"] == [] and joined["ice_servers"]
            assert (await sfu.hears(bus.PEER_JOIN))["peer_id"] == joined["peer_id"]
            async with connect(daemon, PATH + "r&name=B%C3%B6b") as bob:
                bob_joined = await bob.hear("joined")
                assert [p["name"] for p in bob_joined["peers"]] == ["Ann"]
                assert (await ann.hear("peer-joined"))["peer"]["name"] == "Böb"
                await bob.say(signal_type="offer", room_id="r", target_peer_id="sfu", sdp="v=0", id=3)
                offer = await sfu.hears(bus.PEER_SIGNAL)
                assert offer["peer_id"] == bob_joined["peer_id"] and offer["sdp"] == "v=0"
                assert offer["id"] == 3
                sfu.tell(bus.PEER_SIGNAL, {**offer, "signal_type": "answer", "sdp": "v=1"})
                answer = await bob.hear("signal")
                assert answer["sender_peer_id"] == "sfu" and answer["sdp"] == "v=1"
                sfu.tell(bus.PEER_SIGNAL, {"room_id": "r", "peer_id": offer["peer_id"], "signal_type": "offer",
                                           "sdp": "v=2", "offer_id": 7})
                assert (await bob.hear("signal"))["offer_id"] == 7
                await bob.say(signal_type="answer", sdp="v=3", offer_id=7)
                assert (await sfu.hears(bus.PEER_SIGNAL))["offer_id"] == 7
                sfu.tell(bus.PEER_ERROR, {**offer, "code": "bad_sdp", "detail": "no"})
                assert (await bob.hear("error"))["code"] == "bad_sdp"
                await bob.say(signal_type="offer", target_peer_id="peer_456", sdp="v=0")
                assert (await bob.hear("error"))["field"] == "target_peer_id"
                await bob.say(type="track", mid="0", muted=True)
                assert (await sfu.hears(bus.PEER_TRACK))["muted"] is True
                sfu.tell(bus.PEER_TRACKS, {"room_id": "r", "peer_id": offer["peer_id"],
                                           "tracks": [{"track_id": "t", "kind": "audio"}]})
                assert (await ann.hear("peer-updated"))["peer"]["tracks"][0]["track_id"] == "t"
            began = time.monotonic()
            assert (await ann.hear("peer-left"))["peer_id"] == bob_joined["peer_id"]
            assert (await sfu.hears(bus.PEER_LEAVE))["peer_id"] == bob_joined["peer_id"]
            assert time.monotonic() - began < 1

    asyncio.run(run())
    wait_until(lambda: rows(daemon, "SELECT name, leave_reason FROM participant_sessions ORDER BY joined_at") == [
        ("Ann", "left"), ("Böb", "left")])


def test_a_room_must_exist_unless_joining_makes_it(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, WEBRTC_AUTO_CREATE_ROOMS="false")
    daemon.start()

    async def run() -> None:
        async with connect(daemon, PATH + "nowhere") as ann:
            assert (await ann.hear("error"))["code"] == "room_not_found"
            assert await ann.close_code() == 4403
        for bad in ("a%20b", "", "x" * 129):
            with pytest.raises(Exception, match="400"):
                async with connect(daemon, PATH + bad):
                    pass

    asyncio.run(run())
    daemon.stop()


def test_rooms_have_room_for_so_many(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, WEBRTC_MAX_PARTICIPANTS_PER_ROOM="1", WEBRTC_MAX_ROOMS="1")
    daemon.start()

    async def run() -> None:
        async with connect(daemon, PATH + "r") as ann:
            await ann.hear("joined")
            async with connect(daemon, PATH + "r") as bob:
                assert (await bob.hear("error"))["code"] == "room_full"
                assert await bob.close_code() == 4403
            async with connect(daemon, PATH + "other") as bob:
                assert (await bob.hear("error"))["code"] == "too_many_rooms"
            await ann.say(type="ping")
            assert (await ann.hear())["type"] == "pong"

    asyncio.run(run())
    daemon.stop()


@asynccontextmanager
async def ann_and_bob(daemon: Realtimed, sfu: bus.BusPeer) -> AsyncIterator[list[dict]]:
    """Both in room r, and the SFU has heard so. What each was told when it joined."""
    async with connect(daemon, PATH + "r&name=Ann") as ann, connect(daemon, PATH + "r&name=Bob") as bob:
        joined = [await client.hear("joined") for client in (ann, bob)]
        await sfu.hears(bus.PEER_JOIN)
        await sfu.hears(bus.PEER_JOIN)
        yield joined


def come_back(daemon: Realtimed, joined: dict) -> AbstractAsyncContextManager[Client]:
    return connect(daemon, f"{PATH}r&peer_id={joined['peer_id']}&resume_token={joined['resume_token']}")


@pytest.mark.parametrize("is_crash", [False, True])
@pytest.mark.parametrize("sfu_first", [False, True])
def test_a_call_outlives_a_restart(daemon: Realtimed, is_crash: bool, sfu_first: bool) -> None:
    async def run() -> None:
        sfu = bus.BusPeer(daemon.bus, "sfu")
        await sfu.connect()
        async with ann_and_bob(daemon, sfu) as was:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, daemon.kill if is_crash else daemon.stop)
            assert len(sfu.rooms["r"]) == 2  # nobody told it that they left
        daemon.start()
        if sfu_first:
            await sfu.connect()
        async with come_back(daemon, was[0]) as ann, come_back(daemon, was[1]) as bob:
            if not sfu_first:
                await asyncio.sleep(0.3)
                await sfu.connect()
            for client, before in ((ann, was[0]), (bob, was[1])):
                again = await client.hear()
                assert again["type"] == "joined" and again["resumed"]
                assert again["peer_id"] == before["peer_id"]
                assert len(again["peers"]) == 1
                assert (await sfu.hears(bus.PEER_RESUMED))["room_id"] == "r"
            await ann.hears_nothing()
            await bob.hears_nothing()
            await ann.say(signal_type="offer", sdp="v=0")
            assert (await sfu.hears(bus.PEER_SIGNAL))["peer_id"] == was[0]["peer_id"]
            present = rows(daemon, "SELECT peer_id FROM participant_sessions WHERE left_at IS NULL")
            assert {p for (p,) in present} == {was[0]["peer_id"], was[1]["peer_id"]}
        await sfu.close()

    asyncio.run(run())


def test_who_does_not_come_back_has_left(daemon: Realtimed) -> None:
    async def run() -> None:
        sfu = bus.BusPeer(daemon.bus, "sfu")
        await sfu.connect()
        async with ann_and_bob(daemon, sfu) as was:
            daemon.kill()
        daemon.start()
        await sfu.connect()
        async with come_back(daemon, was[0]) as ann:
            await ann.hear("joined")
            left = await ann.hear("peer-left", timeout=14)
            assert left["peer_id"] == was[1]["peer_id"] and left["reason"] == "not_resumed"
            assert (await sfu.hears(bus.PEER_LEAVE))["peer_id"] == was[1]["peer_id"]
        await sfu.close()

    asyncio.run(run())


def test_the_sfu_may_restart_too(daemon: Realtimed) -> None:
    async def run() -> None:
        sfu = bus.BusPeer(daemon.bus, "sfu")
        await sfu.connect()
        async with connect(daemon, PATH + "r") as ann:
            joined = await ann.hear("joined")
            await sfu.hears(bus.PEER_JOIN)
            await sfu.close()
            await asyncio.sleep(0.1)
            await ann.say(signal_type="offer", sdp="v=0", id="x")
            error = await ann.hear("error")
            assert error["code"] == "sfu_unavailable" and error["id"] == "x"
            async with played(daemon, "sfu") as fresh:
                assert (await fresh.hears(bus.PEER_JOIN))["peer_id"] == joined["peer_id"]
                signal = await ann.hear("signal")
                assert signal["signal_type"] == "renegotiate" and signal["reason"] == "sfu_restarted"

    asyncio.run(run())


def test_the_api_publishes_looks_and_ends_rooms(daemon: Realtimed) -> None:
    async def run() -> None:
        async with played(daemon, "sfu") as sfu, played(daemon, "api") as api, chat(daemon) as ann, \
                connect(daemon, PATH + "r&name=Bob") as bob:
            joined = await bob.hear("joined")
            await ann.say(type="subscribe", channel="c")
            await ann.hear("subscribed")
            answer = await api.ask(bus.PUBLISH, {"channel": "c", "data": [1], "persistent": True,
                                                 "sender": "me"})
            assert answer["offset"] == 1 and answer["delivered_to"] == 1
            message = await ann.hear("message")
            assert message["message_id"] == answer["message_id"] and message["sender"] == "me"
            with pytest.raises(bus.Refused, match="bad_field"):
                await api.ask(bus.PUBLISH, {"channel": "a\n", "data": 1})
            with pytest.raises(bus.Refused, match="missing_field"):
                await api.ask(bus.PUBLISH, {"channel": "c"})
            status = await api.ask(bus.HUB_STATUS, {})
            assert status["connections"] == {"websocket": 1, "sse": 0, "signaling": 1, "total": 2}
            assert status["channels"] == 1 and status["sfu"] is True
            connections = await api.ask(bus.CONNECTIONS, {})
            assert connections["total"] == 2
            assert ["c"] in [c["channels"] for c in connections["connections"]]
            rooms = (await api.ask(bus.ROOM_OCCUPANCY, {}))["rooms"]
            assert rooms["r"]["participants"][0]["name"] == "Bob"
            assert (await api.ask(bus.ROOM_OCCUPANCY, {"room_ids": ["other"]}))["rooms"] == {}
            moderator = {"caller": {"user_id": "", "is_moderator": True}}
            offer = {"sender_peer_id": joined["peer_id"], "room_id": "r", "signal_type": "offer", "sdp": "v=0"}
            await api.ask(bus.SIGNAL, {**offer, **moderator})
            heard = await sfu.hears(bus.PEER_SIGNAL)
            assert heard["peer_id"] == joined["peer_id"] and "caller" not in heard
            for more, code in [({}, "missing_field"), ({"caller": {"user_id": "eve"}}, "forbidden"),
                               ({"caller": {"user_id": ""}}, "forbidden"),
                               ({**moderator, "room_id": "s"}, "forbidden"),
                               ({**moderator, "sender_peer_id": "nobody"}, "unknown_peer")]:
                with pytest.raises(bus.Refused, match=code):
                    await api.ask(bus.SIGNAL, {**offer, **more})

            started = await api.ask(bus.HTTP_SESSION_START, {"room_id": "r", "kind": "whip", "sdp": "v=0"})
            assert started["sdp"] == "v=0 answer" and started["ice_session"] == "once"
            assert (await bob.hear("peer-joined"))["peer"]["peer_id"] == started["session_id"]
            session = {"room_id": "r", "session_id": started["session_id"]}
            session["sdp_fragment"], session["ice_sessions"] = "a=ice-ufrag:x", ["once"]
            assert (await api.ask(bus.HTTP_SESSION_ICE, {**session, **moderator}))["ice_session"] == "again"
            asked = await sfu.hears(bus.PEER_ICE)
            assert asked["sdp_fragment"] == "a=ice-ufrag:x" and asked["ice_sessions"] == ["once"]
            assert asked["peer_id"] == started["session_id"] and "caller" not in asked
            for ask in (bus.HTTP_SESSION_ICE, bus.HTTP_SESSION_END):
                with pytest.raises(bus.Refused, match="forbidden"):
                    await api.ask(ask, {**session, "caller": {"user_id": "eve"}})
                with pytest.raises(bus.Refused, match="session_not_found"):
                    await api.ask(ask, {**session, **moderator, "session_id": joined["peer_id"]})
                await api.ask(ask, {**session, **moderator})
            await bob.hear("peer-left")
            with pytest.raises(bus.Refused, match="room_not_found"):
                await api.ask(bus.HTTP_SESSION_START, {"room_id": "none", "kind": "whip", "sdp": "v=0"})
            sfu.answer_join = lambda body: None  # it hangs
            began = time.monotonic()
            with pytest.raises(bus.Refused, match="bus_timeout"):
                await api.ask(bus.HTTP_SESSION_START, {"room_id": "r", "kind": "whep", "sdp": "v=0"})
            assert 4 < time.monotonic() - began < 7

            api.tell(bus.ROOM_UPDATED, {"room_id": "r", "name": "New", "max_participants": 5})
            assert (await bob.hear("room-updated"))["room"]["name"] == "New"
            api.tell(bus.ROOM_DELETED, {"room_id": "r"})
            assert (await bob.hear("kicked"))["reason"] == "room_deleted"
            assert await bob.close_code() == 4410
            assert (await sfu.hears(bus.ROOM_CLOSED))["room_id"] == "r"

    asyncio.run(run())


def test_nonsense_on_the_bus_ends_only_its_own_connection(daemon: Realtimed) -> None:
    async def run() -> None:
        async with played(daemon, "sfu") as sfu:
            for bytes_ in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\x00\x00\x0c\x02" + b"\x00" * 11,
                           b"\x00\x00\x00\x0e\x01\x01\x00\x10\x00\x00\x00\x01\x00\x00\x00\x02{}"):
                reader, writer = await asyncio.open_unix_connection(daemon.bus)
                writer.write(bytes_)
                assert await asyncio.wait_for(reader.read(), 3) == b""
                writer.close()
            async with connect(daemon, PATH + "r") as ann:
                await ann.hear("joined")
                await sfu.hears(bus.PEER_JOIN)

    asyncio.run(run())
