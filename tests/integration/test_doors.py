"""What a room asks of who comes: that it is not locked, a password, an invite."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import bus_peer as bus
import pytest
import websockets
from conftest import wait_until
from doors import asked, enter, joined, no_secret_is_logged, offered, played_sfu, refused, room
from guarded_system import ROOMS, SIGNALING, System
from realtimed import Client, connect


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
    host = system.moderator()
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
    host = system.moderator()
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
    system.stop()


@pytest.mark.parametrize("body,field", [
    ({"max_uses": 0}, "/max_uses"), ({"max_uses": 10001}, "/max_uses"), ({"name": "a\nb"}, "/name"),
    ({"name": "x" * 201}, "/name"), ({"ttl": "1"}, "/ttl"), ({"expires_at": 5}, "/expires_at"),
])
def test_what_is_wrong_with_an_invite_is_named(system: System, host: str, body: dict, field: str) -> None:
    system.ask("POST", ROOMS, {"room_id": "wrong"}, host)
    assert system.ask("POST", f"{ROOMS}/wrong/invites", body, host).fields == [field]


def test_zz_no_secret_is_in_any_log(system: System) -> None:
    no_secret_is_logged(system)
