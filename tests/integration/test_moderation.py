"""Kicks, mutes, locks, bans, room passwords and invites, through realtimed and the API behind nginx. The
SFU is played; that media stops and starts again is seen in test_system.py and the browser's tests.
"""

from __future__ import annotations

import asyncio
import base64
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import bus_peer as bus
import pytest
import websockets
from answer import Answer, pages
from conftest import wait_until
from realtimed import Client, connect, get
from test_auth import ROOMS, SIGNALING, System, bearer

SDP = {"Content-Type": "application/sdp"}
HOST = {"rooms": {"*": ["subscribe", "publish", "moderate"]}}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("moderation"))
    try:
        yield running
    finally:
        running.stack.stop_all()
        running.daemon.stop()


@pytest.fixture
def host(system: System) -> str:
    return system.token("host", **HOST)


@asynccontextmanager
async def played_sfu(system: System) -> AsyncIterator[bus.BusPeer]:
    sfu = bus.BusPeer(system.daemon.bus, "sfu")
    await sfu.connect()
    try:
        yield sfu
    finally:
        await sfu.close()


async def missed(system: System, sfu: bus.BusPeer) -> None:
    """It goes away, and realtimed knows."""
    await sfu.close()
    await asyncio.to_thread(wait_until, lambda: get(system.daemon, "/realtime/webrtc/health")[0] == 503)


def room(system: System, host: str, room_id: str, **fields: object) -> str:
    made = system.ask("POST", ROOMS, {"room_id": room_id, **fields}, host)
    assert made.status == 201, made.body
    return f"{ROOMS}/{room_id}"


def base64url(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def enter(system: System, room_id: str, credential: str | None = None, *, password: str | None = None,
          invite: str | None = None, query: str = ""):
    """A signalling connection, with what is shown at the door as a browser shows it."""
    protocols = ["realtime.v1"]
    if credential:
        protocols.append(f"bearer.{credential}")
    if password:
        protocols.append(f"password.{base64url(password)}")
    if invite:
        protocols.append(f"invite.{invite}")
    return connect(system, f"{SIGNALING}?room_id={room_id}{query}", subprotocols=protocols)


async def joined(client: Client) -> dict:
    message = await client.hear()
    assert message["type"] == "joined", message
    return message


async def refused(system: System, room_id: str, *arguments: object, close: int = 4403, **more: object) -> str:
    """The code with which somebody is turned away."""
    async with enter(system, room_id, *arguments, **more) as client:
        error = await client.hear()
        assert error["type"] == "error", error
        assert await client.close_code() == close
        return error["code"]


async def asked(system: System, *arguments: object) -> Answer:
    return await asyncio.to_thread(system.ask, *arguments)


async def offered(system: System, path: str, credential: str | None = None, **headers: str) -> Answer:
    """A WHIP or WHEP session begun."""
    return await asyncio.to_thread(system.stack.request, "POST", path, "v=0",
                                   {**SDP, **(bearer(credential) if credential else {}), **headers})


def leave_reasons(system: System, room_id: str) -> list[str]:
    with sqlite3.connect(system.stack.database) as db:
        return [reason for (reason,) in db.execute(
            "SELECT leave_reason FROM participant_sessions WHERE room_id = ? AND left_at IS NOT NULL ORDER BY left_at",
            (room_id,))]


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
    wait_until(lambda: leave_reasons(system, "kick").count("kicked") == 2)

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


# ---- lock ----


def test_a_locked_room_lets_nobody_else_in(system: System, host: str) -> None:
    path = room(system, host, "lock")
    ann, bob = system.token("ann"), system.token("bob")

    async def run() -> None:
        async with played_sfu(system), enter(system, "lock", ann) as inside:
            was = await joined(inside)
            locked = await asked(system, "PUT", path, {"locked": True}, host)
            assert locked.json["locked"] is True
            assert (await inside.hear("room-updated"))["room"]["locked"] is True
            assert await refused(system, "lock", bob) == "room_locked"
            assert await refused(system, "lock") == "room_locked"
            for kind in ("whip", "whep"):
                answer = await offered(system, f"{path}/{kind}", bob)
                assert (answer.status, answer.json["code"]) == (423, "room_locked")
            back = f"&peer_id={was['peer_id']}&resume_token={was['resume_token']}"
            async with enter(system, "lock", ann, query=back) as resumed:
                assert (await joined(resumed))["resumed"] is True
            async with enter(system, "lock", host) as moderator:
                await joined(moderator)
            assert (await offered(system, f"{path}/whep", host)).status == 201
            await asked(system, "PUT", path, {"locked": False}, host)
            async with enter(system, "lock", bob) as late:
                await joined(late)

    asyncio.run(run())


def test_nobody_slips_in_while_a_room_is_locked(system: System, host: str) -> None:
    """Whoever joined before the PUT was answered is inside by then; nobody appears later."""
    path = room(system, host, "race", max_participants=10)
    ann = system.token("ann")

    async def crowd(stop: asyncio.Event, times: list[float]) -> None:
        while not stop.is_set():
            async with enter(system, "race", ann) as client:
                message = await client.hear()
                if message["type"] == "joined":
                    times.append(time.monotonic())

    async def run() -> None:
        for _ in range(6):
            times: list[float] = []
            stop = asyncio.Event()
            crowds = [asyncio.create_task(crowd(stop, times)) for _ in range(4)]
            await asyncio.sleep(0.15)
            assert (await asked(system, "PUT", path, {"locked": True}, host)).status == 200
            inside = {one["peer_id"] for one in
                      (await asked(system, "GET", f"{path}/participants", None, host)).json["items"]}
            async with enter(system, "race", host) as witness:
                present = {peer["peer_id"] for peer in (await joined(witness))["peers"]}
                assert present <= inside
                await asyncio.sleep(0.15)
                stop.set()
                await asyncio.gather(*crowds)
                await asked(system, "PUT", path, {"locked": False}, host)
                kinds = []
                while (message := await witness.hear())["type"] != "room-updated":
                    kinds.append(message["type"])
                assert "peer-joined" not in kinds and times

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
            assert await refused(system, "ban", system.token("ann", **HOST)) == "banned"
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
    host = system.token("host", **HOST)
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
    system.stack.stop_all()
    system.daemon.stop()


# ---- passwords ----


def test_a_room_with_a_password_wants_it(system: System, host: str) -> None:
    secret = system.remember("Höhle, 3 Bären")
    path = room(system, host, "cave", password=secret)
    ann = system.token("ann")
    made = system.ask("GET", path, None, host)
    assert made.json["has_password"] is True and "password" not in made.json
    with sqlite3.connect(system.stack.database) as db:
        (kept,) = db.execute("SELECT password_hash FROM rooms WHERE room_id = 'cave'").fetchone()
    assert kept.startswith("$scrypt$ln=14,r=8,p=1$")
    system.remember(kept)

    async def run() -> None:
        async with played_sfu(system):
            assert await refused(system, "cave", ann) == "password_required"
            assert await refused(system, "cave", ann, password="Bären") == "wrong_password"
            async with enter(system, "cave", ann, password=secret) as client:
                was = await joined(client)
            header = {"X-Room-Password": secret.encode().decode("latin-1")}  # as http.client sends UTF-8
            async with connect(system, f"{SIGNALING}?room_id=cave", extra_headers={"X-Room-Password": secret}) as client:
                await joined(client)
            async with enter(system, "cave", host) as moderator:
                await joined(moderator)
            for kind in ("whip", "whep"):
                for headers, status, code in (({}, 403, "password_required"),
                                              ({"X-Room-Password": "x"}, 403, "wrong_password"),
                                              ({"X-Room-Password": "x" * 500}, 403, "wrong_password"), (header, 201, "")):
                    answer = await offered(system, f"{path}/{kind}", ann, **headers)
                    assert answer.status == status, answer.body
                    assert status == 201 or answer.json["code"] == code
            # A change of anything else leaves it, null takes it away.
            etag = made.json["etag"]
            changed = await asked(system, "PUT", path, {"name": "Cave"}, host)
            assert changed.json["has_password"] is True and changed.json["etag"] != etag
            assert await refused(system, "cave", ann) == "password_required"
            assert (await asked(system, "PUT", path, {"password": None}, host)).json["has_password"] is False
            async with enter(system, "cave", ann) as client:
                assert (await joined(client))["peer_id"] != was["peer_id"]

    asyncio.run(run())


def test_passwords_cannot_be_tried_out(system: System, host: str) -> None:
    secret = system.remember("only the right one")
    room(system, host, "guess", password=secret)
    ann = system.token("ann")

    async def run() -> None:
        # As many at once as one likes: they are counted before they are looked at.
        codes = await asyncio.gather(*(guess() for _ in range(12)))
        assert codes.count("wrong_password") == 5 and codes.count("too_many_guesses") == 7
        assert await refused(system, "guess", ann, password=secret, close=4429) == "too_many_guesses"
        # Nobody else is held up, in another room or without a password.
        room(system, host, "other", password=secret)
        async with enter(system, "other", ann, password=secret) as client:
            await joined(client)
        answer = await offered(system, f"{ROOMS}/guess/whep", ann, **{"X-Room-Password": secret})
        assert (answer.status, answer.json["code"]) == (429, "too_many_guesses") and answer.headers["Retry-After"]
        async with enter(system, "guess", host) as moderator:
            await joined(moderator)

    async def guess() -> str:
        async with enter(system, "guess", ann, password="a guess") as client:
            return (await client.hear("error"))["code"]

    asyncio.run(run())


def test_the_loop_goes_on_while_passwords_are_looked_at(system: System, host: str) -> None:
    secret = system.remember("slow by design")
    rooms = [f"slow{number}" for number in range(20)]
    for name in rooms:
        room(system, host, name, password=secret)
    ann = system.token("ann")

    async def run() -> None:
        async with connect(system, "/realtime/ws") as chat:
            await chat.hear("welcome")

            async def come(name: str) -> None:
                async with enter(system, name, ann, password=secret) as client:
                    await joined(client)

            crowd = asyncio.gather(*(come(name) for name in rooms))
            slowest, started = 0.0, time.monotonic()
            while not crowd.done():
                began = time.monotonic()
                await chat.say(type="ping")
                await chat.hear("pong")
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.01)
            await crowd
            # Twenty take a second and more of CPU: on the loop itself a ping would wait for most of them.
            assert slowest < (time.monotonic() - started) / 2, slowest

    asyncio.run(run())


def test_stopping_while_passwords_are_looked_at_is_clean(tmp_path: Path) -> None:
    system = System(tmp_path, REALTIME_DRAIN_TIME="0")
    host = system.token("host", **HOST)
    secret = system.remember("never mind")
    for number in range(30):
        room(system, host, f"stop{number}", password=secret)

    async def run() -> None:
        async def come(number: int) -> None:
            async with enter(system, f"stop{number}", system.token("ann"), password=secret) as client:
                await client.hear()

        crowd = asyncio.gather(*(come(number) for number in range(30)), return_exceptions=True)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(system.daemon.stop)  # which sees that it ends well
        await crowd

    asyncio.run(run())
    assert "Sanitizer" not in system.daemon.log()
    system.stack.stop_all()


# ---- invites ----


def invite(system: System, host: str, path: str, **fields: object) -> dict:
    made = system.ask("POST", f"{path}/invites", fields, host)
    assert made.status == 201, made.body
    system.remember(made.json["token"])
    return made.json


def test_an_invite_opens_what_is_closed(system: System, host: str) -> None:
    path = room(system, host, "party", password=system.remember("secret of the party"), locked=True)
    made = invite(system, host, path, name="Guest of Ann", ttl=60)
    assert made["url"] == f"http://127.0.0.1:{system.stack.port}/?room=party#invite={made['token']}"
    listed = system.ask("GET", f"{path}/invites", None, host).json["items"]
    assert [one["invite_id"] for one in listed] == [made["invite_id"]]
    assert "token" not in listed[0] and "url" not in listed[0]
    assert system.ask("GET", f"{path}/invites", None, system.token("ann")).status == 403
    with sqlite3.connect(system.stack.database) as db:
        assert made["token"] not in str(db.execute("SELECT * FROM room_invites").fetchall())

    async def run() -> None:
        async with played_sfu(system) as sfu:
            async with enter(system, "party", invite=made["token"]) as guest:
                await joined(guest)
                told = await sfu.hears(bus.PEER_JOIN)
                assert told["state"]["name"] == "Guest of Ann" and told["may_publish"] is True
            async with enter(system, "party", invite=made["token"], query="&name=Bo") as guest:
                await joined(guest)
                (one,) = (await asked(system, "GET", f"{path}/participants", None, host)).json["items"]
                assert one["name"] == "Bo"
            # Who may nothing by a token comes in, too; the list still shows no secret.
            bare = system.token("bare", rooms={})
            assert await refused(system, "party", bare) == "forbidden"
            async with enter(system, "party", bare, invite=made["token"]) as guest:
                await joined(guest)
            for kind in ("whip", "whep"):
                answer = await offered(system, f"{path}/{kind}", **{"X-Room-Invite": made["token"]})
                assert answer.status == 201, answer.body
                answer = await offered(system, f"{path}/{kind}", **{"X-Room-Invite": "inv_x"})
                assert (answer.status, answer.json["code"]) == (403, "bad_invite")
            room(system, host, "elsewhere", locked=True)
            assert await refused(system, "elsewhere", invite=made["token"]) == "bad_invite"
            await asked(system, "POST", f"{path}/bans", {"user_id": "bare"}, host)
            assert await refused(system, "party", bare, invite=made["token"]) == "banned"
            assert (await asked(system, "DELETE", f"{path}/invites/{made['invite_id']}", None, host)).status == 204
            assert await refused(system, "party", invite=made["token"]) == "bad_invite"
            assert (await asked(system, "DELETE", f"{path}/invites/{made['invite_id']}", None, host)).status == 404

    asyncio.run(run())


def test_the_last_use_goes_to_one(system: System, host: str) -> None:
    path = room(system, host, "few", locked=True)
    made = invite(system, host, path, max_uses=3)

    def uses() -> int:
        return system.ask("GET", f"{path}/invites", None, host).json["items"][0]["use_count"]

    async def come() -> tuple[str, Client | None]:
        async with enter(system, "few", invite=made["token"]) as client:
            message = await client.hear()
            if message["type"] == "joined":
                await asyncio.sleep(0.5)
            return message.get("code", message["type"])

    async def run() -> None:
        codes = await asyncio.gather(*(come() for _ in range(10)))
        assert codes.count("joined") == 3 and codes.count("invite_used_up") == 7
        assert uses() == 3
        assert await refused(system, "few", invite=made["token"]) == "invite_used_up"

    asyncio.run(run())


def test_who_comes_back_keeps_the_place(system: System, host: str) -> None:
    path = room(system, host, "seat", locked=True, max_participants=2)
    made = invite(system, host, path, max_uses=1)

    def uses() -> int:
        return next(one["use_count"] for one in system.ask("GET", f"{path}/invites", None, host).json["items"]
                    if one["invite_id"] == made["invite_id"])

    async def run() -> None:
        token = made["token"]
        async with played_sfu(system):
            async with enter(system, "seat", host) as full, enter(system, "seat", host) as full_too:
                await joined(full)
                await joined(full_too)
                assert await refused(system, "seat", invite=token) == "room_full"
            wait_until(lambda: uses() == 0)  # who did not come in has used nothing
            async with enter(system, "seat", invite=token) as guest:
                was = await joined(guest)
                back = f"&peer_id={was['peer_id']}&resume_token={was['resume_token']}"
                async with enter(system, "seat", invite=token, query=back) as again:
                    assert (await joined(again))["resumed"] is True
                    assert await guest.close_code() == 4410
            # It has left; with its token it is the same guest, anew, and at one place at a time.
            async with enter(system, "seat", invite=token, query=back) as again:
                anew = await joined(again)
                assert "resumed" not in anew and uses() == 1
                assert await refused(system, "seat", invite=token, query=back) == "invite_used_up"
                third = f"&resume_token={anew['resume_token']}"
                async with enter(system, "seat", invite=token, query=third) as other_tab:
                    now = await joined(other_tab)
                    assert await again.close_code() == 4410
                    assert now["peers"] == []
                    await asked(system, "DELETE", f"{path}/participants/{now['peer_id']}", None, host)
                    assert await other_tab.close_code() == 4410
            fourth = f"&resume_token={now['resume_token']}"  # of who was kicked
            assert await refused(system, "seat", invite=token, query=fourth) == "invite_used_up"
            assert uses() == 1

        # A user is known by name.
        named = invite(system, host, path, max_uses=1)["token"]
        ann = system.token("ann")
        for _ in range(2):
            async with enter(system, "seat", ann, invite=named) as client:
                await joined(client)
        assert await refused(system, "seat", system.token("bob"), invite=named) == "invite_used_up"

    asyncio.run(run())


def test_an_invite_stands_in_for_a_credential(tmp_path: Path) -> None:
    system = System(tmp_path, WEBSOCKET_AUTH_REQUIRED="true")
    host = system.token("host", **HOST)
    path = room(system, host, "strict")
    made = invite(system, host, path)

    async def run() -> None:
        async with played_sfu(system):
            with pytest.raises(websockets.InvalidStatusCode, match="401"):
                async with enter(system, "strict"):
                    pass
            assert await refused(system, "strict", invite="inv_" + "x" * 32) == "bad_invite"
            async with enter(system, "strict", invite=made["token"]) as guest:
                was = await joined(guest)
            async with enter(system, "strict", invite=made["token"],
                             query=f"&resume_token={was['resume_token']}") as guest:
                await joined(guest)
            # What is empty is no invite, and what is wrong does not stand in for a right.
            with pytest.raises(websockets.InvalidStatusCode, match="401"):
                async with connect(system, f"{SIGNALING}?room_id=strict", extra_headers={"X-Room-Invite": ""}):
                    pass
            listener = system.token("listener", rooms={"strict": ["moderate"]})
            assert await refused(system, "strict", listener) == "forbidden"
            assert await refused(system, "strict", listener, invite="inv_x") == "bad_invite"
            for kind in ("whip", "whep"):
                assert (await offered(system, f"{path}/{kind}", **{"X-Room-Invite": ""})).status == 401
                assert (await offered(system, f"{path}/{kind}", listener)).status == 403
                answer = await offered(system, f"{path}/{kind}", listener, **{"X-Room-Invite": "inv_x"})
                assert answer.json["code"] == "bad_invite"
            assert (await offered(system, f"{path}/whep")).status == 401
            assert (await offered(system, f"{path}/whep", **{"X-Room-Invite": made["token"]})).status == 201

    asyncio.run(run())
    system.stack.stop_all()
    system.daemon.stop()


@pytest.mark.parametrize("body,field", [
    ({"max_uses": 0}, "/max_uses"), ({"max_uses": 10001}, "/max_uses"), ({"name": "a\nb"}, "/name"),
    ({"name": "x" * 201}, "/name"), ({"ttl": "1"}, "/ttl"), ({"expires_at": 5}, "/expires_at"),
])
def test_what_is_wrong_with_an_invite_is_named(system: System, host: str, body: dict, field: str) -> None:
    system.ask("POST", ROOMS, {"room_id": "wrong"}, host)
    assert system.ask("POST", f"{ROOMS}/wrong/invites", body, host).fields == [field]


def test_zz_no_secret_is_in_any_log(system: System) -> None:
    for name, text in system.logs().items():
        for secret in system.secrets:
            assert secret not in text and base64url(secret) not in text, name
    assert "Sanitizer" not in system.daemon.log() and "runtime error" not in system.daemon.log()
