"""Kicks, mutes and bans, through realtimed and the API behind nginx. That media stops and starts again is
seen in test_system.py and the browser's tests.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import bus_peer as bus
from answer import pages
from conftest import wait_until
from doors import asked, enter, joined, leave_reasons, missed, no_secret_is_logged, offered, played_sfu, refused, room
from guarded_system import ROOMS, System


# ---- kick ----


def test_who_is_kicked_is_out_at_once_and_for_good(system: System, host: str) -> None:
    path = room(system, host, "kick")
    ann, bob = system.token("ann"), system.token("bob")

    async def run() -> None:
        async with played_sfu(system) as sfu, enter(system, "kick", ann) as one, enter(system, "kick", bob) as other:
            was = await joined(one)
            await joined(other)
            for credential, status in ((bob, 403), (None, 401)):
                answer = await asked(system, "DELETE", f"{path}/participants/{was['peer_id']}", None, credential)
                assert answer.status == status
            answer = await asked(system, "DELETE", f"{path}/participants/{was['peer_id']}", {"reason": "be kind"}, host)
            assert answer.status == 204, answer.body
            kicked = await one.hear("kicked")
            assert (kicked["code"], kicked["reason"], kicked["room_id"]) == ("kicked", "be kind", "kick")
            assert await one.close_code() == 4410
            left = await other.hear("peer-left")
            assert (left["peer_id"], left["reason"]) == (was["peer_id"], "kicked")
            assert (await sfu.hears(bus.PEER_LEAVE))["peer_id"] == was["peer_id"]
            again = await asked(system, "DELETE", f"{path}/participants/{was['peer_id']}", None, host)
            assert (again.status, again.json["code"]) == (404, "participant_not_found")
            back = f"&peer_id={was['peer_id']}&resume_token={was['resume_token']}"
            async with enter(system, "kick", ann, query=back) as client:
                anew = await joined(client)  # as somebody new: nobody was banned
                assert "resumed" not in anew and anew["peer_id"] != was["peer_id"]

            published = await offered(system, f"{path}/whip", ann)
            assert published.status == 201
            session = published.headers["Location"]
            name = session.rsplit("/", 1)[1]
            assert (await asked(system, "GET", f"{path}/participants/{name}", None, bob)).json["kind"] == "whip"
            assert (await asked(system, "DELETE", f"{path}/participants/{name}?reason=x", None, host)).status == 204
            assert (await asked(system, "DELETE", session, None, ann)).status == 404

    asyncio.run(run())
    wait_until(lambda: len(leave_reasons(system, "kick")) == 4)
    assert leave_reasons(system, "kick").count("kicked") == 2

    # Who may moderate can ask for it, too, page by page.
    assert system.ask("GET", f"{path}/sessions", credential=bob).status == 403
    listed = []
    for page in pages(lambda at: system.ask("GET", at, credential=host), f"{path}/sessions?limit=2"):
        assert len(page["items"]) <= 2, page
        listed += page["items"]
    assert len(listed) == 4 and [one["leave_reason"] for one in listed].count("kicked") == 2
    assert {one["kind"] for one in listed} == {"call", "whip"} and all(one["left_at"] for one in listed)
    times = [one["joined_at"] for one in listed]
    assert times == sorted(times, reverse=True)
    assert system.ask("GET", f"{path}/sessions?cursor=x", credential=host).json["errors"][0]["pointer"] == "/cursor"


def test_a_kick_holds_although_the_sfu_did_not_hear_of_it(system: System, host: str) -> None:
    """Its hello would bring back whom it still serves, with a resume token that works."""
    path = room(system, host, "deaf")

    async def run() -> None:
        async with played_sfu(system) as sfu:
            async with enter(system, "deaf", system.token("ann")) as ann:
                was = await joined(ann)
                await sfu.hears(bus.PEER_JOIN)
                await sfu.close()  # realtimed may or may not have seen it when the kick comes
                assert (await asked(system, "DELETE", f"{path}/participants/{was['peer_id']}", None, host)).status == 204
                assert await ann.close_code() == 4410
            await sfu.connect()
            assert (await sfu.hears(bus.PEER_LEAVE))["peer_id"] == was["peer_id"]
            assert (await asked(system, "GET", f"{path}/participants", None, host)).json["items"] == []

    asyncio.run(run())


# ---- mute ----


def test_a_mute_is_the_sfus_to_carry_out_and_told_to_all(system: System, host: str) -> None:
    path = room(system, host, "mute")

    async def run() -> None:
        async with played_sfu(system) as sfu, enter(system, "mute", system.token("ann")) as ann, \
                enter(system, "mute", system.token("bob")) as bob:
            was = await joined(ann)
            await joined(bob)
            peer = f"{path}/participants/{was['peer_id']}"
            sfu.answer_mute = lambda body: {"tracks": [{"track_id": "t", "kind": "audio", "muted": body["audio_muted"]}]}
            for body, field in (({}, "/audio_muted"), ({"audio_muted": "yes"}, "/audio_muted")):
                answer = await asked(system, "PATCH", peer, body, host)
                assert (answer.status, answer.fields) == (400, [field])
            assert (await asked(system, "PATCH", peer, {"audio_muted": True}, system.token("bob"))).status == 403
            answer = await asked(system, "PATCH", peer, {"audio_muted": True}, host)
            assert answer.status == 200, answer.body
            assert (answer.json["audio_muted"], answer.json["video_muted"]) == (True, False)
            told = await sfu.hears(bus.PEER_MUTE)
            assert (told["peer_id"], told["audio_muted"], told["video_muted"]) == (was["peer_id"], True, False)
            assert told["state"]["audio_muted"] is True
            for client in (ann, bob):
                peer_told = (await client.hear("peer-updated"))["peer"]
                assert peer_told["audio_muted"] is True and peer_told["tracks"][0]["muted"] is True
            both = await asked(system, "PATCH", peer, {"video_muted": True}, host)
            assert (both.json["audio_muted"], both.json["video_muted"]) == (True, True)
            listed = (await asked(system, "GET", f"{path}/participants", None, host)).json["items"]
            assert [one["audio_muted"] for one in listed] == [True, False]
            back = await asked(system, "PATCH", peer, {"audio_muted": False, "video_muted": False}, host)
            assert (back.json["audio_muted"], back.json["video_muted"]) == (False, False)
            await asked(system, "PATCH", peer, {"video_muted": True}, host)

            # What it did not hear of it is told again, and a new one is told with the join.
            await missed(system, sfu)
            sfu.rooms["mute"][was["peer_id"]]["state"]["video_muted"] = False
            away = await asked(system, "PATCH", peer, {"audio_muted": True}, host)
            assert (away.status, away.json["code"]) == (503, "sfu_unavailable") and away.headers["Retry-After"]
            await sfu.connect()
            while not (await sfu.hears(bus.PEER_MUTE))["video_muted"]:
                pass
            await missed(system, sfu)
            sfu.rooms = {}
            await sfu.connect()
            while (again := await sfu.hears(bus.PEER_JOIN))["peer_id"] != was["peer_id"]:
                pass
            assert again["video_muted"] is True and again["audio_muted"] is False

    asyncio.run(run())


def test_a_mesh_room_has_nothing_to_mute_by(system: System, host: str) -> None:
    path = room(system, host, "mesh", mode="mesh")

    async def run() -> None:
        async with enter(system, "mesh", host) as client:
            peer_id = (await joined(client))["peer_id"]
            answer = await asked(system, "PATCH", f"{path}/participants/{peer_id}", {"audio_muted": True}, host)
            assert (answer.status, answer.json["code"]) == (400, "mesh_room")

    asyncio.run(run())


# ---- bans ----


def test_a_ban_kicks_holds_and_ends(system: System, host: str) -> None:
    path = room(system, host, "ban")
    ann, bob = system.token("ann"), system.token("bob")

    async def run() -> None:
        async with played_sfu(system), enter(system, "ban", bob) as other:
            await joined(other)
            async with enter(system, "ban", ann) as one:
                peer_id = (await joined(one))["peer_id"]
                made = await asked(system, "POST", f"{path}/bans", {"peer_id": peer_id, "reason": "spam", "ttl": 3600}, host)
                assert made.status == 201, made.body
                ban = made.json
                assert (ban["user_id"], ban["created_by"], ban["kicked"]) == ("ann", "host", 1)
                kicked = await one.hear("kicked")
                assert (kicked["code"], kicked["reason"]) == ("banned", "spam")
                assert await one.close_code() == 4410
            assert (await other.hear("peer-left"))["reason"] == "banned"
            assert await refused(system, "ban", ann) == "banned"
            for kind in ("whip", "whep"):
                answer = await offered(system, f"{path}/{kind}", ann)
                assert (answer.status, answer.json["code"]) == (403, "banned")
            # A moderator's token does not help who is banned.
            assert await refused(system, "ban", system.moderator("ann")) == "banned"
            again = await asked(system, "POST", f"{path}/bans", {"user_id": "ann"}, host)
            assert again.json["ban_id"] == ban["ban_id"] and again.json["expires_at"] is None
            assert made.headers["Location"] == f"{path}/bans/{ban['ban_id']}"
            assert (await asked(system, "GET", f"{path}/bans", None, ann)).status == 403
            listed = (await asked(system, "GET", f"{path}/bans", None, host)).json
            assert [one["user_id"] for one in listed["items"]] == ["ann"] and listed["next"] is None
            assert (await asked(system, "DELETE", f"{path}/bans/{ban['ban_id']}", None, host)).status == 204
            assert (await asked(system, "DELETE", f"{path}/bans/{ban['ban_id']}", None, host)).status == 404
            async with enter(system, "ban", ann) as free:
                await joined(free)

    asyncio.run(run())
    wait_until(lambda: "banned" in leave_reasons(system, "ban"))


def test_a_ban_names_a_user_that_can_be_known_again(system: System, host: str) -> None:
    path = room(system, host, "names")

    async def run() -> None:
        async with enter(system, "names") as nobody:
            peer_id = (await joined(nobody))["peer_id"]
            answer = await asked(system, "POST", f"{path}/bans", {"peer_id": peer_id}, host)
            assert (answer.status, answer.json["code"], answer.fields) == (409, "unknown_user", ["/peer_id"])
            assert "kick" in answer.json["detail"]
            await nobody.hears_nothing()
        # One that has left is known to the store.
        async with enter(system, "names", system.token("carl")) as carl:
            gone = (await joined(carl))["peer_id"]
        wait_until(lambda: len(leave_reasons(system, "names")) == 2)
        assert (await asked(system, "POST", f"{path}/bans", {"peer_id": gone}, host)).json["user_id"] == "carl"

    asyncio.run(run())
    now = int(time.time() * 1000)
    for body, status, field in [
        ({}, 400, "/user_id"), ({"user_id": "a", "peer_id": "b"}, 400, "/peer_id"), ({"user_id": "a*"}, 400, "/user_id"),
        ({"user_id": "a", "ttl": 0}, 400, "/ttl"), ({"user_id": "a", "expires_at": now - 1}, 400, "/expires_at"),
        ({"user_id": "a", "ttl": 5, "expires_at": now + 9999}, 400, "/ttl"), ({"user_id": "a", "reason": 5}, 400, "/reason"),
    ]:
        answer = system.ask("POST", f"{path}/bans", body, host)
        assert (answer.status, answer.fields) == (status, [field])
    assert system.ask("POST", f"{path}/bans", {"peer_id": "nobody"}, host).json["code"] == "participant_not_found"
    assert system.ask("POST", f"{ROOMS}/nowhere/bans", {"user_id": "a"}, host).json["code"] == "room_not_found"
    assert system.ask("GET", f"{ROOMS}/nowhere/bans", None, host).status == 404


def test_lists_of_bans_and_invites_come_in_pages(system: System, host: str) -> None:
    path = room(system, host, "pages")
    for number in range(5):
        assert system.ask("POST", f"{path}/bans", {"user_id": f"u{number}"}, host).status == 201
        assert system.ask("POST", f"{path}/invites", {"name": f"u{number}"}, host).status == 201
    for kind, name in (("bans", "user_id"), ("invites", "name")):
        listed = list(pages(lambda at: system.ask("GET", at, None, host), f"{path}/{kind}?limit=2"))
        assert [len(page["items"]) for page in listed] == [2, 2, 1]
        seen = [item[name] for page in listed for item in page["items"]]
        assert sorted(seen) == [f"u{number}" for number in range(5)]
        assert system.ask("GET", f"{path}/{kind}?cursor=x", None, host).fields == ["/cursor"]


def test_bans_outlive_a_restart_and_hold_for_who_comes_back(tmp_path: Path) -> None:
    """Made while realtimed is away, of somebody whose media the SFU still carries; and by SQL."""
    system = System(tmp_path)
    host = system.moderator()
    path = room(system, host, "later")

    async def run() -> None:
        async with played_sfu(system) as sfu:
            async with enter(system, "later", system.token("ann")) as ann, enter(system, "later", system.token("bob")) as bob:
                was = await joined(ann)
                await joined(bob)
                for _ in range(2):
                    await sfu.hears(bus.PEER_JOIN)
                wait_until(lambda: len(present()) == 2)
                await asyncio.to_thread(system.daemon.kill)
            made = await asked(system, "POST", f"{path}/bans", {"peer_id": was["peer_id"]}, host)
            assert (made.status, made.json["user_id"], made.json["kicked"]) == (201, "ann", None)
            away = await asked(system, "DELETE", f"{path}/participants/{was['peer_id']}", None, host)
            assert away.status == 503 and away.headers["Retry-After"]
            await asyncio.to_thread(system.daemon.start)
            await sfu.connect()
            left = await sfu.hears(bus.PEER_LEAVE)
            assert left["peer_id"] == was["peer_id"]
            wait_until(lambda: system.ask("GET", "/realtime/webrtc/rooms").status == 200)
            assert await refused(system, "later", system.token("ann")) == "banned"
            async with enter(system, "later", system.token("carl")) as carl:
                await joined(carl)
                now = int(time.time() * 1000)
                system.sql("INSERT INTO room_bans (ban_id, room_id, user_id, created_at, expires_at)"
                           " VALUES ('ban_x', 'later', 'carl', ?, ?)", now, now + 3000)
                assert (await carl.hear("kicked", timeout=4))["code"] == "banned"
            assert await refused(system, "later", system.token("carl")) == "banned"
            while int(time.time() * 1000) < now + 3000:
                await asyncio.sleep(0.1)
            async with enter(system, "later", system.token("carl")) as carl:
                await joined(carl)

    def present() -> list:
        with sqlite3.connect(system.stack.database) as db:
            return db.execute("SELECT 1 FROM participant_sessions WHERE left_at IS NULL").fetchall()

    def bans() -> list[str]:
        with sqlite3.connect(system.stack.database) as db:
            return [user for (user,) in db.execute("SELECT user_id FROM room_bans ORDER BY user_id")]

    asyncio.run(run())
    assert bans() == ["ann", "carl"]
    system.daemon.stop()
    system.daemon.start()  # what has expired is taken away with the first round
    wait_until(lambda: bans() == ["ann"])
    system.stop()


def test_zz_no_secret_is_in_any_log(system: System) -> None:
    no_secret_is_logged(system)
