"""Who somebody is and what they may, over realtimed and the API together, behind nginx.

Every secret that is used here is remembered, and the last test looks for it in every log.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import bus_peer as bus
import pytest
import websockets
from answer import Answer
from bearer import SECRET, base64url, bearer, token_of
from guarded_system import ROOMS, SIGNALING, WS, System
from realtimed import Client, Realtimed, connect, events


@asynccontextmanager
async def chat(system: System, credential: str | None = None, **more) -> AsyncIterator[Client]:
    headers = bearer(credential) if credential else {}
    async with connect(system, WS, extra_headers=headers, **more) as client:
        await client.hear("welcome")
        yield client


async def refusal(system: System, path: str, **more) -> int:
    """The status by which a WebSocket is refused."""
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        async with connect(system, path, **more):
            pass
    return refused.value.status_code


# ---- who ----


def test_a_credential_may_stand_in_each_place(system: System) -> None:
    """A token and a key in every place of section 2 of the protocol, over WebSocket, SSE and REST."""
    of_ann, of_bob = system.token("ann"), system.key("places", "--user", "bob")

    async def run() -> None:
        for secret, user in ((of_ann, "ann"), (of_bob, "bob")):
            headers = [{"Authorization": f"Bearer {secret}"}, {"Authorization": f"apikey  {secret}"},
                       {"X-API-Key": secret}]
            arguments = [f"token={secret}", f"api_key={secret}", f"ticket={system.ticket(secret)}"]
            for header in headers:
                async with connect(system, WS, extra_headers=header) as client:
                    assert (await client.hear("welcome"))["user_id"] == user
            for argument in arguments:
                async with connect(system, f"{WS}?{argument}") as client:
                    assert (await client.hear("welcome"))["user_id"] == user
            async with connect(system, WS, subprotocols=["realtime.v1", f"bearer.{secret}"]) as client:
                assert client.socket.subprotocol == "realtime.v1"
                assert (await client.hear("welcome"))["user_id"] == user
            async with connect(system, WS) as client:
                assert (await client.hear("welcome"))["user_id"] is None
                await client.say(type="auth", token=secret, id=1)
                ack = await client.hear("ack")
                assert ack["id"] == 1 and ack["user_id"] == user
            own = f"channel=user_{user}"
            arguments[2] = f"ticket={system.ticket(secret)}"
            for argument in arguments:
                async with events(system.daemon, f"{own}&{argument}") as stream:
                    assert stream.status == 200
            for header in headers:
                text = "".join(f"{name}: {value}\r\n" for name, value in header.items())
                async with events(system.daemon, own, text) as stream:
                    assert stream.status == 200

    asyncio.run(run())
    for secret in (of_ann, of_bob):
        for headers in ({"Authorization": f"Bearer {secret}"}, {"Authorization": f"ApiKey {secret}"},
                        {"X-API-Key": secret}):
            assert system.stack.request("POST", "/realtime/tickets", headers=headers).status == 201
        for argument in ("token", "api_key"):
            assert system.ask("POST", f"/realtime/tickets?{argument}={secret}").status == 201


def test_the_first_credential_counts(system: System) -> None:
    ann, bob = system.token("ann"), system.token("bob")

    async def run() -> None:
        async with connect(system, f"{WS}?token={bob}", extra_headers=bearer(ann)) as client:
            assert (await client.hear("welcome"))["user_id"] == "ann"
        assert await refusal(system, f"{WS}?token={bob}", extra_headers=bearer("wrong")) == 401

    asyncio.run(run())
    made = system.ask("POST", f"{ROOMS}?token={bob}", {"name": "x"}, "wrong")
    assert made.status == 401 and made.json["code"] == "bad_token"


def test_a_ticket_works_once(system: System) -> None:
    ticket = system.ticket(system.token("ann", name="Ann"))

    async def run() -> None:
        async with connect(system, f"{WS}?ticket={ticket}") as client:
            assert (await client.hear("welcome"))["user_id"] == "ann"
        assert await refusal(system, f"{WS}?ticket={ticket}") == 401
        assert await refusal(system, f"{WS}?ticket={system.remember('tkt_aaaaaaaaaaaaaaaaaaaaaa')}") == 401
        async with events(system.daemon, f"channel=c&ticket={ticket}") as stream:
            assert stream.status == 401 and stream.headers["www-authenticate"].startswith("Bearer")

    asyncio.run(run())
    nobody = system.ask("POST", "/realtime/tickets")
    assert nobody.status == 401 and nobody.json["code"] == "authentication_required"


def test_forged_tokens_are_refused_everywhere(system: System) -> None:
    good = token_of("ann")
    head, body, signature = good.split(".")
    forged = {
        "none": token_of("ann", alg="none"),
        "other key": token_of("ann", secret="another secret, also of 32 bytes or more"),
        "other claims": f"{head}.{base64url(json.dumps({'sub': 'root', 'roles': ['admin']}).encode())}.{signature}",
        "unsigned": f"{head}.{body}.",
        "expired": token_of("ann", lasts_s=-10),
        "not yet": token_of("ann", nbf=time.time() + 100),
        "no user": token_of(""),
        # libcjose ends the process at these two, if they get there
        "padding": "eyJhbGciOiJSU=I1NiJ9.eyJpc3MiOi.Jqb2UiLA0KICJletcHAgImh0dHA6phCnvNiJ",
        "padding in claims": f"{head}.e=30.{signature}",
        "no token": "your_token",
    }
    codes = {"expired": "token_expired", "not yet": "token_not_yet_valid"}

    async def run() -> None:
        for name, text in forged.items():
            system.remember(text)
            assert await refusal(system, WS, extra_headers=bearer(text)) == 401, name
            assert await refusal(system, f"{WS}?token={text}") == 401, name
            offer = {"Sec-WebSocket-Protocol": f"realtime.v1, bearer.{text}"}
            assert await refusal(system, WS, extra_headers=offer) == 401, name
            assert await refusal(system, f"{SIGNALING}?room_id=r&token={text}") == 401, name
            async with events(system.daemon, f"channel=c&token={text}") as stream:
                assert stream.status == 401, name
            async with chat(system) as client:
                await client.say(type="auth", token=text, id=1)
                error = await client.hear("error")
                assert error["id"] == 1 and error["code"] == codes.get(name, "bad_token"), name

    asyncio.run(run())
    for name, text in forged.items():
        for path in ("/realtime/send", f"/realtime/send?token={text}"):
            answer = system.ask("POST", path, {"data": 1}, text)
            assert answer.status == 401, name
            assert answer.json["code"] == codes.get(name, "bad_token"), name
            assert answer.headers["WWW-Authenticate"] == 'Bearer realm="realtime", error="invalid_token"'
        # where nobody is asked, too
        assert system.ask("GET", ROOMS, credential=text).status == 401, name
    for length in (8193, 9000, 15000):  # nobody becomes anonymous by too long a token
        path = f"{WS}?token={'a' * length}"
        assert asyncio.run(refusal(system.daemon, path)) == 401
        assert asyncio.run(refusal(system, path)) in (401, 414)
    assert system.ask("GET", "/health").json["checks"]["realtimed"] == "ok"


# ---- how long ----


def test_a_token_is_refreshed_in_place_or_ends(system: System) -> None:
    async def refreshed() -> None:
        short, long = system.token("ann", lasts_s=3), system.token("ann", lasts_s=600)
        async with connect(system, f"{WS}?token={short}") as client, \
                chat(system, system.token("bob")) as bob:
            welcome = await client.hear("welcome")
            await client.say(type="subscribe", channel="kept")
            await client.hear("subscribed")
            warning = await client.hear("refresh_required")
            assert warning["expires_at"] == welcome["expires_at"]
            assert time.time() * 1000 < warning["expires_at"]
            await client.say(type="refresh", token=system.token("bob"), id="no")
            error = await client.hear("error")
            assert (error["code"], error["id"]) == ("other_user", "no")
            await client.say(type="refresh", token=long, id="yes")
            ack = await client.hear("ack")
            assert ack["id"] == "yes" and ack["expires_at"] > welcome["expires_at"] + 500_000
            await client.hears_nothing(warning["expires_at"] / 1000 - time.time() + 2.5)
            await bob.say(type="message", channel="kept", data="still here")
            assert (await client.hear("message"))["data"] == "still here"

    async def left_alone() -> None:
        short = system.token("ann", lasts_s=2)
        async with connect(system, f"{WS}?token={short}") as client:
            expires_at = (await client.hear("welcome"))["expires_at"]
            await client.hear("refresh_required")
            goodbye = await client.hear("disconnect")
            assert goodbye["code"] == "token_expired" and goodbye["reconnect"] is False
            assert await client.close_code() == 4401
            assert 0 <= time.time() - expires_at / 1000 < 3

    async def streamed() -> None:
        async with events(system.daemon, f"channel=c&token={system.token('ann', lasts_s=2)}") as stream:
            assert (await stream.next())[0] == "refresh_required"
            kind, goodbye = await stream.next()
            assert kind == "disconnect" and goodbye["code"] == "token_expired"
            assert await asyncio.wait_for(stream.reader.read(), 5) == b""

    async def in_a_call() -> None:
        path = f"{SIGNALING}?room_id=long"
        async with connect(system, f"{path}&token={system.token('ann', lasts_s=3)}") as client, \
                connect(system, f"{path}&token={system.token('bob', lasts_s=2)}") as bob:
            await client.hear("joined")
            await bob.hear("joined")
            await client.hear("refresh_required")
            await client.say(type="refresh", token=system.token("ann"), id=5)
            ack = await client.hear("ack")
            assert ack["id"] == 5 and ack["user_id"] == "ann"
            assert await bob.close_code() == 4401
            assert (await client.hear("peer-left"))["reason"]
            await client.hears_nothing(2)

    async def run() -> None:
        await asyncio.gather(refreshed(), left_alone(), streamed(), in_a_call())

    assert system.ask("POST", ROOMS, {"room_id": "long"}, system.token("ann")).status == 201
    asyncio.run(run())


def test_a_refresh_takes_away_what_it_does_not_allow(system: System) -> None:
    first = system.token("ann", channels={"*": "*"})
    second = system.token("ann", channels={"b": "subscribe"})

    async def run() -> None:
        async with chat(system, first) as client:
            for channel in ("a", "b"):
                await client.say(type="subscribe", channel=channel)
                await client.hear("subscribed")
            await client.say(type="refresh", token=second)
            await client.hear("ack")
            ended = await client.hear("unsubscribed")
            assert (ended["channel"], ended["code"]) == ("a", "forbidden")
            await client.say(type="message", channel="b", data=1)
            assert (await client.hear("error"))["code"] == "forbidden"

    asyncio.run(run())


def test_who_must_say_who_it_is_has_five_seconds(system: System, tmp_path: Path) -> None:
    strict = Realtimed(tmp_path, WEBSOCKET_AUTH_REQUIRED="true", REALTIME_JWT_SECRET=SECRET,
                       REALTIME_CONFIG="/dev/null")
    strict.start()

    async def silent() -> None:
        began = time.monotonic()
        async with connect(strict) as client:
            await client.say(type="ping")
            await client.hear("pong")
            assert await client.close_code() == 4408
        assert 4 < time.monotonic() - began < 8

    async def in_time() -> None:
        async with connect(strict) as client:
            await client.say(type="subscribe", channel="c", id=1)
            assert (await client.hear())["code"] == "authentication_required"
            await client.say(type="auth", token=system.token("ann"), id=2)
            assert (await client.hear("welcome"))["user_id"] == "ann"
            await client.hear("ack")
            await client.hears_nothing(6)  # the time-out is over

    async def wrong() -> None:
        async with connect(strict) as client:
            await client.say(type="auth", token="wrong")
            assert (await client.hear("error"))["code"] == "bad_token"
            assert await client.close_code() == 4401
        assert await refusal(strict, f"{SIGNALING}?room_id=r") == 401

    async def run() -> None:
        await asyncio.gather(silent(), in_time(), wrong())

    asyncio.run(run())
    strict.stop()


def revoke(system: System, name: str, how: str) -> None:
    if how == "command":
        assert system.run("revoke-api-key", system.key_id(name)).returncode == 0
    elif how == "update":
        system.sql("UPDATE api_keys SET revoked_at = 1 WHERE name = ?", name)
    else:
        system.sql("DELETE FROM api_keys WHERE name = ?", name)


@pytest.mark.parametrize("how", ["command", "update", "delete"])
def test_a_revoked_key_ends_its_connections(system: System, how: str) -> None:
    key, other = system.key(how, "--user", "robot"), system.key(f"not {how}", "--user", "robot")

    async def run() -> None:
        async with chat(system, key) as client, chat(system, other) as kept, \
                connect(system, f"{WS}?ticket={system.ticket(key)}") as by_ticket, \
                events(system.daemon, f"channel=c&api_key={key}") as stream:
            await by_ticket.hear("welcome")
            unused = system.ticket(key)
            assert stream.status == 200
            revoke(system, how, how)
            began = time.monotonic()
            assert system.ask("POST", "/realtime/tickets", credential=key).status == 401
            for ended in (client, by_ticket):
                goodbye = await ended.hear("disconnect")
                assert goodbye["code"] == "key_revoked" and goodbye["reconnect"] is False
                assert await ended.close_code() == 4401
            kind, goodbye = await stream.next()
            assert kind == "disconnect" and goodbye["code"] == "key_revoked"
            assert time.monotonic() - began < 2
            # A ticket that was made before opens a connection for a moment only.
            async with connect(system, f"{WS}?ticket={unused}") as late:
                assert await late.close_code() == 4401
            assert time.monotonic() - began < 4
            await kept.say(type="ping")
            await kept.hear("pong")

    asyncio.run(run())


# ---- what ----


def test_grants_say_where(system: System) -> None:
    limited = system.token("ann", channels={"chat_*": ["subscribe", "publish"], "news": "subscribe"},
                           rooms={"team_*": ["subscribe"]})
    cases = [("subscribe", "chat_1", True), ("subscribe", "news", True), ("subscribe", "other", False),
             ("subscribe", "user_ann", True), ("subscribe", "user_bob", False),
             ("message", "chat_1", True), ("message", "news", False), ("message", "other", False)]

    async def run() -> None:
        async with chat(system, limited) as client:
            for kind, channel, may in cases:
                await client.say(type=kind, channel=channel, data=1, id=1)
                answer = await client.hear("error" if not may else "ack" if kind == "message" else "subscribed")
                assert answer["id"] == 1 and (may or answer["code"] == "forbidden"), (kind, channel)
            await client.say(type="broadcast", data=1, id=2)
            assert (await client.hear("error"))["code"] == "forbidden"
            await client.say(type="history", channel="other", limit=1, id=3)
            assert (await client.hear("error"))["code"] == "forbidden"
        for channel, status in (("news", 200), ("other", 403)):
            async with events(system.daemon, f"channel={channel}&token={limited}") as stream:
                assert stream.status == status
        async with connect(system, f"{SIGNALING}?room_id=other&token={limited}") as client:
            assert (await client.hear("error"))["code"] == "forbidden"
            assert await client.close_code() == 4403

    asyncio.run(run())
    for kind, channel, may in cases:
        if kind == "message":
            sent = system.ask("POST", "/realtime/send", {"channel": channel, "data": 1}, limited)
            assert sent.status == (201 if may else 403), channel
    assert system.ask("POST", "/realtime/broadcast", {"data": 1}, limited).json["code"] == "forbidden"
    assert system.ask("POST", "/realtime/send", {"user_id": "bob", "data": 1}, limited).status == 403
    assert system.ask("POST", ROOMS, {"room_id": "team_1"}, limited).status == 403


def test_a_message_by_rest_tells_its_sender(system: System) -> None:
    key = system.key("sender", "--user", "shop", "--channels", '{"orders": "publish"}')

    async def run() -> None:
        async with chat(system, system.token("ann")) as client:
            await client.say(type="subscribe", channel="orders")
            await client.hear("subscribed")
            sent = await asyncio.to_thread(system.ask, "POST", "/realtime/send",
                                           {"channel": "orders", "data": 1, "sender": "ann"}, key)
            assert sent.status == 201
            assert (await client.hear("message"))["sender"] == "shop"

    asyncio.run(run())
    assert system.ask("GET", "/realtime/connections", credential=key).status == 403
    assert system.ask("POST", "/realtime/send", {"channel": "orders", "data": 1}).status == 401


def test_what_a_channel_has_is_for_those_who_may_listen(system: System) -> None:
    ann, bob = system.token("ann"), system.token("bob", channels={"other": ["subscribe"]})
    shelf = "/realtime/channels/shelf"

    async def run() -> None:
        async with chat(system, ann) as client:
            for number in range(1, 8):
                sent = {"type": "message", "channel": "shelf", "data": number, "persistent": number != 4}
                await client.say(**sent)
                await client.hear("ack")
            picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
            await client.say(type="binary", channel="shelf", binary_data=picture, content_type="image/png",
                             filename="a.png", persistent=True)
            await client.hear("ack")
            await client.say(type="subscribe", channel="shelf")
            await client.hear("subscribed")
            whole = (await asyncio.to_thread(system.ask, "GET", shelf, None, ann)).json
            assert (whole["subscriptions"], whole["offset"], whole["messages"]) == (1, 8, 7)
            there = (await asyncio.to_thread(system.ask, "GET", shelf + "/presence", None, ann)).json
            assert [member["user_id"] for member in there["members"]] == ["ann"]
            newest = (await asyncio.to_thread(system.ask, "GET", shelf + "/messages?limit=3", None, ann)).json
            assert [item["offset"] for item in newest["items"]] == [8, 7, 6] and newest["next"] == 6
            assert newest["items"][0]["binary_data"] == picture and newest["items"][0]["filename"] == "a.png"
            assert (newest["items"][1]["data"], newest["items"][1]["sender"]) == (7, "ann")
            rest = (await asyncio.to_thread(system.ask, "GET", shelf + "/messages?before=6", None, ann)).json
            assert [item["offset"] for item in rest["items"]] == [5, 3, 2, 1] and rest["next"] is None
            after = (await asyncio.to_thread(system.ask, "GET", shelf + "/messages?after=2&limit=2", None, ann)).json
            assert [item["offset"] for item in after["items"]] == [3, 5] and after["next"] == 5
            assert after["epoch"] == whole["epoch"]

    asyncio.run(run())
    for path in ("", "/messages", "/presence"):
        assert system.ask("GET", shelf + path, credential=bob).status == 403
    assert system.ask("GET", "/realtime/channels/user_ann/messages", credential=bob).status == 403
    assert system.ask("GET", "/realtime/channels/user_ann/messages", credential=ann).status == 200
    for query, field in (("before=x", "before"), ("after=-1", "after"), ("after=1&before=2", "after"), ("limit=0", "limit")):
        refused = system.ask("GET", f"{shelf}/messages?{query}", credential=ann)
        assert refused.status == 400 and refused.json["errors"][0]["pointer"] == "/" + field
    assert system.ask("GET", "/realtime/channels/a*", credential=ann).status == 400
    admin = system.token("root", roles=["admin"])
    assert "channels" in system.ask("GET", "/realtime/channels", credential=admin).json
    assert system.ask("GET", "/realtime/channels", credential=ann).status == 403


def test_admins_see_connections_and_others_do_not(system: System) -> None:
    admin, user = system.token("root", roles=["admin"]), system.token("ann")
    for path in ("/realtime/connections", "/realtime/webrtc/connections", "/metrics"):
        assert system.ask("GET", path, credential=admin).status == 200
        assert system.ask("GET", path, credential=user).status == 403
        assert system.ask("GET", path).status == 401


def test_nobody_acts_for_another_ones_peer(system: System) -> None:
    ann, eve = system.token("ann"), system.token("eve")
    moderator = system.token("mod", rooms={"own": ["subscribe", "moderate"]})
    assert system.ask("POST", ROOMS, {"room_id": "own"}, ann).status == 201

    def whip(credential: str | None, kind: str = "whip") -> Answer:
        headers = {"Content-Type": "application/sdp", **(bearer(credential) if credential else {})}
        return system.stack.request("POST", f"{ROOMS}/own/{kind}", "v=0", headers)

    def patch(path: str, credential: str) -> int:
        return system.stack.request("PATCH", path, "a=candidate:x", {
            "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": '"once"', **bearer(credential)}).status

    async def run() -> None:
        sfu = bus.BusPeer(system.daemon.bus, "sfu")
        await sfu.connect()
        in_thread = asyncio.to_thread
        async with connect(system, f"{SIGNALING}?room_id=own&token={ann}") as client:
            peer_id = (await client.hear("joined"))["peer_id"]
            offer = {"room_id": "own", "sender_peer_id": peer_id, "signal_type": "offer", "sdp": "v=0",
                     "caller": {"user_id": "ann", "is_moderator": True}}
            for credential, status in ((eve, 403), (None, 401), (ann, 202), (moderator, 202)):
                said = await in_thread(system.ask, "POST", "/realtime/webrtc/signal", offer, credential)
                assert said.status == status, said.body
            elsewhere = await in_thread(system.ask, "POST", "/realtime/webrtc/signal",
                                        {**offer, "type": "ping"}, ann)
            assert elsewhere.fields == ["/type"]

        for end in (ann, moderator):
            published = await in_thread(whip, ann)
            assert published.status == 201, published.body
            place = published.headers["Location"]
            assert await in_thread(patch, place, eve) == 403
            assert await in_thread(patch, place, ann) == 204
            assert (await in_thread(system.ask, "DELETE", place, None, eve)).status == 403
            assert (await in_thread(system.ask, "DELETE", place)).status == 401
            assert (await in_thread(system.ask, "DELETE", place, None, end)).status == 204
            assert (await in_thread(system.ask, "DELETE", place, None, end)).status == 404
        assert (await in_thread(whip, None)).status == 401
        # Anybody may watch; and who does so unknown ends it by its address, which nobody else knows.
        watched = await in_thread(whip, None, "whep")
        assert watched.status == 201
        assert (await in_thread(system.ask, "DELETE", watched.headers["Location"])).status == 204
        await sfu.close()

    asyncio.run(run())
    assert system.ask("PUT", f"{ROOMS}/own", {"name": "x"}, eve).status == 403
    assert system.ask("PUT", f"{ROOMS}/own", {"name": "x"}, moderator).status == 200
    assert system.ask("DELETE", f"{ROOMS}/own", credential=moderator).status == 204


# ---- commands ----


def test_commands_make_what_they_say(system: System) -> None:
    made = system.run("create-token", "ann", "--name", "Ann", "--roles", "admin", "--expires=2m")
    assert made.returncode == 0 and made.stderr == ""
    by_command = system.remember(made.stdout.strip())
    assert system.ask("GET", "/realtime/connections", credential=by_command).status == 200
    claims = json.loads(base64.urlsafe_b64decode(by_command.split(".")[1] + "=="))
    assert claims["sub"] == "ann" and claims["exp"] - claims["iat"] == 120

    key = system.key("a reader", "--rights", "subscribe", "--expires", "30d", "--user", "rob")
    listed = system.run("list-api-keys").stdout
    line = next(line for line in listed.splitlines() if line.endswith("\ta reader"))
    fields = dict(zip(listed.splitlines()[0].split("\t"), line.split("\t"), strict=True))
    assert fields["USER"] == "rob" and fields["RIGHTS"] == "subscribe" and fields["STATE"] == "valid"
    assert key not in listed and fields["KEY_ID"] == system.key_id("a reader")
    assert system.ask("POST", "/realtime/send", {"data": 1}, key).status == 403
    assert system.run("revoke-api-key", fields["KEY_ID"]).returncode == 0
    assert "\trevoked\t" in system.run("list-api-keys").stdout
    assert system.run("revoke-api-key", "key_none").returncode == 1


@pytest.mark.parametrize("words", [
    ["create-api-key"], ["create-api-key", "a", "b"], ["create-api-key", "a", "--rights", "fly"],
    ["create-api-key", "a", "--channels", "{"], ["create-api-key", "a", "--rooms", '{"r": "fly"}'],
    ["create-api-key", "a", "--expires", "soon"], ["create-api-key", "a", "--user", "a*"],
    ["create-api-key", "a", "--user"], ["create-api-key", "a", "--user", "b", "--user", "c"],
    ["create-api-key", "a\n"], ["create-api-key", "a", "--roles", "admin"],
    ["list-api-keys", "a"], ["revoke-api-key"], ["create-token"], ["create-token", "a*"],
    ["create-token", "ann", "--roles", "boss"], ["create-token", "ann", "--expires", "0s"], ["dance"],
])
def test_words_that_make_no_sense_are_told_so(system: System, words: list[str]) -> None:
    result = system.run(*words)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("realtime-api")


def test_each_command_explains_itself(system: System) -> None:
    for command in ("create-api-key", "list-api-keys", "revoke-api-key", "create-token"):
        help_text = system.run(command, "--help")
        assert help_text.returncode == 0 and help_text.stdout.startswith(f"realtime-api {command}")
        assert command in system.run("--help").stdout


# ---- the last one ----


def test_no_secret_stands_in_any_log(system: System) -> None:
    logs = system.logs()
    assert "/realtime/ws" in logs["nginx access"]
    assert "refused" in logs["realtimed"] and "request_refused" in logs["api"]
    for name, text in logs.items():
        for secret in system.secrets:
            # Not a good part of one, either: the middle of a token is its claims.
            for part in {secret, secret[len(secret) // 3:][:24]}:
                assert part not in text, name
    database = b"".join(file.read_bytes() for file in system.stack.folder.glob("realtime.db*"))
    for secret in system.secrets:
        assert secret.encode() not in database
