"""Namespaces, patterns, filters, presence, notifications, direct messages and idempotent publishing."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sqlite3
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from bearer import SECRET, token_of
from bus_peer import BusPeer, Refused
from realtimed import Client, Realtimed, chat, connect, events

NOTIFY, NOTIFICATIONS_READ, CHANNELS, CHANNEL_PRESENCE = 43, 44, 45, 46


def started(tmp_path: Path, namespaces: list[dict] | None = None, **settings: str) -> Realtimed:
    if namespaces is not None:
        (tmp_path / "namespaces.json").write_text(json.dumps({"namespaces": namespaces}))
        settings["REALTIME_NAMESPACES"] = str(tmp_path / "namespaces.json")
    it = Realtimed(tmp_path, REALTIME_JWT_SECRET=SECRET, **settings)
    it.start()
    return it


def as_user(user: str, **claims: object) -> dict:
    return {"extra_headers": {"Authorization": "Bearer " + token_of(user, **claims)}}


async def subscribed(client: Client, channel: str, **more: object) -> dict:
    await client.say(type="subscribe", channel=channel, **more)
    answer = await client.hear()
    assert answer["type"] == "subscribed", answer
    return answer


async def published(client: Client, channel: str, data: object, **more: object) -> dict:
    await client.say(type="message", channel=channel, data=data, **more)
    return await client.hear("ack")


# ---- patterns ----


def test_a_pattern_hears_every_channel_that_it_stands_for_and_each_message_once(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob:
            answer = await subscribed(bob, "chat_*")
            assert (answer["offset"], answer["replay_count"]) == (0, 0)
            await published(ann, "chat_a", 1, persistent=True)
            await published(ann, "news", 2)
            await published(ann, "chat_b", 3)
            heard = [await bob.hear(), await bob.hear()]
            assert [(m["channel"], m["data"]) for m in heard] == [("chat_a", 1), ("chat_b", 3)]

            await subscribed(bob, "*a")  # stands for chat_a as well
            await bob.say(type="subscribe", channel="chat_a", history={"limit": 0})  # and so does its name
            await bob.hear("subscribed")
            await published(ann, "chat_a", 4)
            assert (await bob.hear())["data"] == 4
            await bob.say(type="unsubscribe", channel="chat_a")
            await bob.hear("unsubscribed")
            await bob.say(type="unsubscribe", channel="chat_*")
            await bob.hear("unsubscribed")
            await published(ann, "chat_b", 5)
            await published(ann, "chat_a", 6)
            assert (await bob.hear())["data"] == 6
            await bob.hears_nothing()

            await ann.say(type="message", channel="chat_*", data=1, id=1)
            assert (await ann.hear())["field"] == "channel"
            await ann.say(type="history", channel="chat_*", id=2)
            assert (await ann.hear())["code"] == "bad_field"
            answer = await subscribed(ann, "x*", recover={"epoch": "e", "offset": 3})
            assert (answer["recovered"], answer["reason"]) == (False, "pattern")

    asyncio.run(run())
    daemon.stop()


def test_a_pattern_stays_in_its_namespace_and_out_of_what_is_somebodys(tmp_path: Path) -> None:
    daemon = started(tmp_path, [{"channels": "board_*", "wildcards": False}, {"channels": "open_*"}])

    async def run() -> None:
        async with chat(daemon, **as_user("ann")) as ann, chat(daemon) as bob:
            await subscribed(bob, "*")
            await subscribed(bob, "open_*")
            for channel in ("board_1", "open_1", "other", "user_ann"):
                await published(ann, channel, channel)
            assert (await bob.hear())["data"] == "open_1"
            assert (await bob.hear())["data"] == "other"
            await bob.hears_nothing()
            for pattern, code in (("board_*", "no_wildcards"), ("user_*", "forbidden")):
                await bob.say(type="subscribe", channel=pattern)
                assert (await bob.hear())["code"] == code
        grants = {"channels": {"open_a*": ["subscribe"]}}
        async with chat(daemon, **as_user("cid", **grants)) as cid:
            await subscribed(cid, "open_ab*")
            await cid.say(type="subscribe", channel="open_*")
            assert (await cid.hear())["code"] == "forbidden"

    asyncio.run(run())
    daemon.stop()


def test_an_event_stream_resumes_a_pattern_without_loss_or_duplicate(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann:
            async with events(daemon, "channel=c_*&channel=c_1") as stream:
                await published(ann, "c_1", 1, persistent=True)
                assert (await stream.next())[1]["data"] == 1
                last = stream.last_event_id
            for number, channel in enumerate(("c_2", "d_1", "c_1", "c_3"), 2):
                await published(ann, channel, number, persistent=True)
            header = f"Last-Event-ID: {last}\r\n"
            async with events(daemon, "channel=c_*&channel=c_1", header) as stream:
                assert [(await stream.next())[1]["data"] for _ in range(3)] == [2, 4, 5]
                await published(ann, "c_2", 6)
                assert (await stream.next())[1]["data"] == 6
            async with events(daemon, "channel=c_*", "Last-Event-ID: earliest\r\n") as stream:
                assert [(await stream.next())[1]["data"] for _ in range(4)] == [1, 2, 4, 5]

    asyncio.run(run())
    daemon.stop()


# ---- namespaces ----


def test_namespaces_say_who_may_listen_and_speak(tmp_path: Path) -> None:
    daemon = started(
        tmp_path,
        [
            {"channels": "staff_*", "subscribe": "granted", "publish": "granted"},
            {"channels": "members_*", "subscribe": "users", "publish": "users"},
            {"channels": "wall", "publish": "anyone"},
            {"channels": "system_*", "publish": "nobody"},
        ],
        REALTIME_ANONYMOUS_PUBLISH="false",
    )

    async def code_of(client: Client, **request: object) -> str:
        await client.say(**request)
        answer = await client.hear()
        while answer["type"] == "message":  # its own
            answer = await client.hear()
        return answer.get("code", "") if answer["type"] == "error" else "ok"

    async def run() -> None:
        grant = {"channels": {"staff_*": ["subscribe", "publish"], "system_*": ["subscribe", "publish"]}}
        async with (
            chat(daemon) as stranger,
            chat(daemon, **as_user("ann")) as ann,
            chat(daemon, **as_user("bob", **grant)) as bob,
        ):
            expected = {
                "staff_a": ("forbidden", "forbidden", "ok"),
                "members_a": ("forbidden", "ok", "forbidden"),  # a list is all there is
                "wall": ("ok", "ok", "forbidden"),
                "system_a": ("ok", "ok", "ok"),
            }
            for channel, codes in expected.items():
                for client, code in zip((stranger, ann, bob), codes):
                    assert await code_of(client, type="subscribe", channel=channel) == code, channel
            for client in (stranger, ann, bob):
                assert await code_of(client, type="message", channel="system_a", data=1) == "forbidden"
            assert await code_of(stranger, type="message", channel="wall", data=1) == "ok"
            assert await code_of(stranger, type="message", channel="other", data=1) == "forbidden"

    asyncio.run(run())
    daemon.stop()


def test_namespaces_say_how_much_is_kept(tmp_path: Path) -> None:
    daemon = started(
        tmp_path,
        [
            {"channels": "few", "history_size": 2, "history_kept": 3},
            {"channels": "brief", "history_ttl": 1},
            {"channels": "none", "history_size": 0},
        ],
    )

    async def run() -> None:
        async with chat(daemon) as ann:
            for channel in ("few", "brief", "none"):
                for number in range(100):
                    await published(ann, channel, number, persistent=True)
        async with chat(daemon) as bob:
            assert (await subscribed(bob, "few"))["replay_count"] == 2
            assert [(await bob.hear())["data"] for _ in range(2)] == [98, 99]
            assert (await subscribed(bob, "none"))["replay_count"] == 0
            answer = await subscribed(bob, "none2", recover={"epoch": "x", "offset": 1})
            assert answer["recovered"] is False
        with sqlite3.connect(daemon.database) as db:

            def count(channel: str) -> int:
                return db.execute("SELECT count(*) FROM messages WHERE channel = ?", (channel,)).fetchone()[0]

            assert count("few") < 3 + 64 + 1 and count("none") == 100
            deadline = time.monotonic() + 12
            while count("brief") > 0:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        async with chat(daemon) as ann:  # and no offset comes again
            assert (await published(ann, "brief", 1))["offset"] > 100

    asyncio.run(run())
    daemon.stop()


@pytest.mark.parametrize(
    "namespaces,said",
    [
        ([{"channels": "a", "presense": True}], 'no setting "presense"'),
        ([{"history_size": 1}], "channels is missing"),
        ([{"channels": "a", "subscribe": "all"}], "subscribe must be anyone"),
        ([{"channels": "a", "history_ttl": 0}], "history_ttl must be"),
    ],
)
def test_a_namespace_that_makes_no_sense_stops_the_start(
    tmp_path: Path, namespaces: list[dict], said: str
) -> None:
    (tmp_path / "namespaces.json").write_text(json.dumps({"namespaces": namespaces}))
    daemon = Realtimed(tmp_path, REALTIME_NAMESPACES=str(tmp_path / "namespaces.json"))
    assert daemon.spawn().wait(10) == 1
    assert "REALTIME_NAMESPACES=" in daemon.log() and said in daemon.log()


def test_whoever_is_slow_gets_only_the_latest_where_that_is_what_counts(tmp_path: Path) -> None:
    daemon = started(tmp_path, [{"channels": "camera", "delivery": "latest"}])

    async def run() -> None:
        async with chat(daemon) as ann:
            narrow = socket.create_connection(("127.0.0.1", daemon.port))
            narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            async with connect(daemon, sock=narrow, max_queue=2, compression=None) as bob:
                await bob.hear("welcome")
                await subscribed(bob, "camera")
                frame = "x" * 100000
                for number in range(300):  # bob reads a few of them, and the kernel takes some
                    await published(ann, "camera", [number, frame])
                heard = []
                while not heard or heard[-1] < 299:
                    heard.append((await bob.hear())["data"][0])
                assert heard == sorted(heard) and len(heard) < 250

    asyncio.run(run())
    daemon.stop()


# ---- filters ----


def test_a_filter_lets_through_what_was_asked_for(tmp_path: Path) -> None:
    daemon = started(tmp_path)
    text = base64.b64encode(b"plain text").decode()
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode()

    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob, chat(daemon) as cid:
            wanted = {"binary_data": True, "max_file_size": 50, "allowed_types": ["text/*"]}
            await subscribed(bob, "files", filters=wanted)
            await subscribed(cid, "files", filters={"binary_data": False, "notification_types": ["call"]})
            for content_type, data in (("image/png", picture), ("text/plain", text)):
                await ann.say(
                    type="binary", channel="files", content_type=content_type, binary_data=data, persistent=True
                )
                await ann.hear("ack")
            await ann.say(
                type="binary",
                channel="files",
                content_type="text/plain",
                binary_data=base64.b64encode(b"x" * 51).decode(),
            )
            await ann.hear("ack")
            for kind in ("message", "call"):
                await ann.say(
                    type="notification", channel="files", title=kind, body="b", notification_type=kind
                )
                await ann.hear("ack")
            await published(ann, "files", "end")
            assert (await bob.hear())["binary_data"] == text
            assert [(await bob.hear())["title"] for _ in range(2)] == ["message", "call"]
            assert (await bob.hear())["data"] == "end"
            assert (await cid.hear())["notification_type"] == "call"
            assert (await cid.hear())["data"] == "end"
            # The replay is filtered, too, and counted so.
            async with chat(daemon) as dan:
                answer = await subscribed(dan, "files", filters=wanted)
                assert answer["replay_count"] == 1
                assert (await dan.hear())["content_type"] == "text/plain"
                # Subscribing again brings the filter up to date.
                await subscribed(dan, "files", filters={"notification_types": []})
                await ann.say(type="notification", channel="files", title="t", body="b")
                await ann.hear("ack")
                await published(ann, "files", "end")
                assert (await dan.hear())["data"] == "end"
            filters = '{"binary_data":false}'.replace('"', "%22")
            async with events(daemon, f"channel=files&filters={filters}") as stream:
                await stream.begun()
                await published(ann, "files", "stream")
                assert (await stream.next())[1]["data"] == "stream"
            for bad, field in (
                ({"max_file_size": -1}, "max_file_size"),
                ({"allowed_types": ["nonsense"]}, "allowed_types"),
                ({"notification_types": "call"}, "notification_types"),
                ({"binary_data": 1}, "binary_data"),
            ):
                await ann.say(type="subscribe", channel="files", filters=bad, id=field)
                answer = await ann.hear()
                assert (answer["type"], answer.get("field"), answer["id"]) == ("error", field, field), answer

    asyncio.run(run())
    daemon.stop()


# ---- presence ----


def test_who_is_there_is_told_and_who_comes_and_goes(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon, **as_user("ann", name="Ann")) as ann, chat(daemon) as bob:
            await subscribed(bob, "room", presence=True, join_leave=True)
            listed = await bob.hear("presence")
            assert listed["count"] == 1 and listed["members"][0]["user_id"] is None
            await subscribed(ann, "room", info={"mood": "good"})
            joined = await bob.hear("join")
            assert (joined["user_id"], joined["name"], joined["first"]) == ("ann", "Ann", True)
            assert joined["info"] == {"mood": "good"} and joined["version"] > listed["version"]
            async with chat(daemon, **as_user("ann")) as again:
                await subscribed(again, "room")
                assert (await bob.hear("join"))["first"] is False
                await bob.say(type="presence", channel="room", id=1)
                listed = await bob.hear("presence")
                assert listed["id"] == 1 and listed["count"] == 3
                assert sorted(str(m["user_id"]) for m in listed["members"]) == ["None", "ann", "ann"]
            assert (await bob.hear("leave"))["last"] is False
            async with events(daemon, "channel=room&presence=true&join_leave=true") as stream:
                assert (await bob.hear("join"))["user_id"] is None
                event, listed = await stream.next()
                assert event == "presence" and listed["count"] == 3 and stream.last_event_id
                await ann.say(type="unsubscribe", channel="room")
                left = await bob.hear("leave")
                assert (left["user_id"], left["last"]) == ("ann", True)
                event, left = await stream.next()
                assert (event, left["user_id"]) == ("leave", "ann")
            assert (await bob.hear("leave"))["connection_id"] != left["connection_id"]

    asyncio.run(run())
    daemon.stop()


def test_presence_can_be_switched_off(tmp_path: Path) -> None:
    daemon = started(tmp_path, [{"channels": "hidden", "presence": False}])

    async def run() -> None:
        async with chat(daemon, **as_user("ann")) as ann:
            for request in (
                {"type": "presence", "channel": "hidden"},
                {"type": "subscribe", "channel": "hidden", "join_leave": True},
                {"type": "presence", "channel": "user_ann"},
            ):
                await ann.say(**request)
                assert (await ann.hear())["code"] == "presence_disabled"

    asyncio.run(run())
    daemon.stop()


def test_a_crowd_is_not_told_of_everybody(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_MAX_CONNECTIONS_PER_ADDRESS="0")

    async def run() -> None:
        async with AsyncExitStack() as stack, chat(daemon) as bob:
            await subscribed(bob, "square", join_leave=True)
            crowd = [await stack.enter_async_context(chat(daemon)) for _ in range(505)]
            for client in crowd:
                await subscribed(client, "square")
            for _ in range(499):
                await bob.hear("join")
            assert await bob.hear() == {"type": "gap", "channel": "square", "reason": "too_many_members"}
            await bob.hears_nothing()
            await bob.say(type="presence", channel="square")
            assert (await bob.hear())["count"] == 506
            for client in crowd[:10]:
                await client.socket.close()
            left = await bob.hear("leave")
            assert left["version"] > 506

    asyncio.run(run())
    daemon.stop()


def test_becoming_somebody_is_a_coming_and_a_going(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob:
            await subscribed(bob, "room", join_leave=True)
            await subscribed(ann, "room")
            assert (await bob.hear("join"))["user_id"] is None
            await ann.say(type="auth", token=token_of("ann"), id=1)
            assert (await ann.hear("ack"))["user_id"] == "ann"
            assert (await bob.hear("leave"))["user_id"] is None
            assert (await bob.hear("join"))["user_id"] == "ann"
            await bob.say(type="direct", user_id="ann", data="hello")
            assert (await ann.hear("message"))["data"] == "hello"

    asyncio.run(run())
    daemon.stop()


# ---- to a user ----


def test_every_connection_of_a_user_hears_what_is_sent_to_that_user(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with (
            chat(daemon, **as_user("ann")) as one,
            chat(daemon, **as_user("ann")) as two,
            chat(daemon, **as_user("bob")) as bob,
            events(daemon, f"token={token_of('ann')}") as stream,
        ):
            await stream.begun()
            await bob.say(type="direct", user_id="ann", data={"hi": 1}, id="d")
            acknowledged = await bob.hear()
            assert (acknowledged["type"], acknowledged["channel"]) == ("ack", "user_ann")
            for message in (await one.hear(), await two.hear(), (await stream.next())[1]):
                assert (message["type"], message["data"], message["sender"]) == ("message", {"hi": 1}, "bob")
            await one.say(type="unsubscribe", channel="user_ann")
            assert (await one.hear())["code"] == "own_channel"
            # Asking for it replays what is stored, but nothing that came before.
            await bob.say(type="direct", user_id="ann", data=2, persistent=True)
            assert (await one.hear())["data"] == 2
            assert (await subscribed(one, "user_ann"))["replay_count"] == 0
            await bob.say(type="direct", user_id="ann", data=3)
            assert (await one.hear())["data"] == 3
            await one.hears_nothing()
            async with chat(daemon, **as_user("ann")) as late:
                assert (await subscribed(late, "user_ann"))["replay_count"] == 1
                assert (await late.hear())["data"] == 2
        for bad in ("", "a*", "a\n", 7, None):
            async with chat(daemon) as stranger:
                await stranger.say(type="direct", user_id=bad, data=1, id=1)
                answer = await stranger.hear()
                assert (answer["type"], answer["field"]) == ("error", "user_id")

    asyncio.run(run())
    daemon.stop()


def test_a_notification_waits_for_a_user_who_is_away(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon, **as_user("bob")) as bob:
            for number in (1, 2):
                await bob.say(
                    type="notification",
                    user_id="ann",
                    title=f"title {number}",
                    body="body",
                    notification_type="call",
                    data={"n": number},
                )
                await bob.hear("ack")
            daemon.kill()
        daemon.start()
        async with chat(daemon, **as_user("ann")) as ann, chat(daemon, **as_user("bob")) as bob:
            for number in (1, 2):
                heard = await ann.hear()
                assert (heard["type"], heard["title"], heard["body"]) == ("notification", f"title {number}", "body")
                assert (heard["notification_type"], heard["data"]) == ("call", {"n": number})
                assert heard["replayed"] and heard["notification_id"].startswith("ntf_")
            # Subscribing with a filter, as the seed shows, brings nothing twice.
            answer = await subscribed(ann, "user_ann", filters={"notification_types": ["message", "file"]})
            assert answer["replay_count"] == 0
            for kind in ("call", "message"):
                await bob.say(type="notification", user_id="ann", title=kind, body="", notification_type=kind)
                await bob.hear("ack")
            assert (await ann.hear())["title"] == "message"
        async with chat(daemon, **as_user("ann")) as ann:
            assert (await ann.hear())["title"] == "call"  # nobody wanted it before
            await ann.hears_nothing()
        async with events(daemon, f"channel=c&token={token_of('ann')}") as stream:
            async with chat(daemon) as bob:
                await stream.begun()
                await bob.say(type="notification", user_id="ann", title="now", body="b")
                event, heard = await stream.next()
                assert (event, heard["title"]) == ("notification", "now")
                last = stream.last_event_id
        async with chat(daemon) as bob:
            await bob.say(type="notification", user_id="ann", title="away", body="b")
            await bob.hear("ack")
        header = f"Last-Event-ID: {last}\r\n"
        async with events(daemon, f"channel=c&token={token_of('ann')}", header) as stream:
            assert (await stream.next())[1]["title"] == "away"

    asyncio.run(run())
    daemon.stop()


def test_notifications_come_from_the_api_and_are_read_there(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        async with chat(daemon, **as_user("ann")) as ann, events(daemon, "channel=c") as stream:
            await stream.begun()
            await subscribed(ann, "c")
            answers = {}
            for target in ({"user_id": "ann"}, {"channel": "c"}, {"broadcast": True}):
                answer = await api.ask(NOTIFY, {**target, "title": "t", "body": "b", "sender": "shop"})
                answers[next(iter(target))] = answer
                heard = await ann.hear()
                assert (heard["type"], heard["title"], heard["sender"]) == ("notification", "t", "shop")
                assert heard["notification_id"] == answer["notification_id"]
            assert [(await stream.next())[0] for _ in range(2)] == ["notification"] * 2
            assert answers["user_id"]["channel"] == "user_ann" and answers["user_id"]["delivered_to"] == 1
            assert answers["channel"]["delivered_to"] == 2 and answers["broadcast"]["delivered_to"] == 2

            def rows() -> list[tuple]:
                with sqlite3.connect(daemon.database) as db:
                    return db.execute(
                        "SELECT notification_id, user_id, delivered_at > 0, read_at > 0 FROM notifications"
                    ).fetchall()

            notification_id = answers["user_id"]["notification_id"]
            deadline = time.monotonic() + 5
            while rows() != [(notification_id, "ann", 1, None)]:
                assert time.monotonic() < deadline, rows()
                await asyncio.sleep(0.02)
            with pytest.raises(Refused, match="notification_not_found"):
                await api.ask(NOTIFICATIONS_READ, {"user_id": "bob", "notification_id": notification_id})
            request = {"user_id": "ann", "notification_id": notification_id}
            assert (await api.ask(NOTIFICATIONS_READ, request))["changed"] == 1
            assert rows() == [(notification_id, "ann", 1, 1)]
            assert (await api.ask(NOTIFICATIONS_READ, {"user_id": "ann"}))["changed"] == 0
            for bad, field in (
                ({"title": "t", "body": "b"}, "user_id"),
                ({"user_id": "ann", "body": "b"}, "title"),
                ({"user_id": "ann", "title": "t"}, "body"),
                ({"user_id": "ann", "title": "x" * 201, "body": "b"}, "title"),
                ({"user_id": "ann", "title": "t", "body": "b", "notification_type": "a b"}, "notification_type"),
                ({"user_id": "ann", "channel": "c", "title": "t", "body": "b"}, "user_id"),
                ({"channel": "c", "title": "t", "body": "b", "data": "x" * 70000}, "data"),
            ):
                with pytest.raises(Refused) as refusal:
                    await api.ask(NOTIFY, bad)
                assert refusal.value.body["field"] == field
        await api.close()

    asyncio.run(run())
    daemon.stop()


def test_a_notification_to_ones_own_channel_is_kept_whichever_way_it_is_called(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        async with chat(daemon) as bob:
            for number in range(3):
                await bob.say(type="notification", channel="user_ann", title=f"ws {number}", body="b")
                await bob.hear("ack")
        await api.ask(NOTIFY, {"channel": "user_ann", "title": "rest", "body": "b"})
        await api.close()
        async with chat(daemon, **as_user("ann")) as ann:
            titles = [(await ann.hear("notification"))["title"] for _ in range(4)]
            assert titles == ["ws 0", "ws 1", "ws 2", "rest"]

    asyncio.run(run())
    daemon.stop()


def test_nobody_fills_the_disk_with_one_users_notifications(tmp_path: Path) -> None:
    """Other messages in between do not keep what is too much from going."""
    daemon = started(tmp_path, REALTIME_MESSAGE_RATE="0")
    pairs, kept, at_most = 2200, 1000, 2000

    async def run() -> None:
        async with chat(daemon) as bob:
            for _ in range(pairs):
                await bob.say(type="notification", user_id="ann", title="t", body="b")
                await bob.say(type="direct", user_id="ann", data=1)
            for _ in range(2 * pairs):
                await bob.hear("ack")

    asyncio.run(run())
    with sqlite3.connect(daemon.database) as db:
        assert kept <= db.execute("SELECT COUNT(*) FROM notifications").fetchone()[0] < at_most
    daemon.stop()


# ---- history ----


def test_history_is_read_page_by_page_and_resumed_from(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann:
            for number in range(5):
                ack = await published(ann, "c", number, persistent=True)
            since, seen = {"epoch": ack["epoch"], "offset": 0}, []
            while True:
                await ann.say(type="history", channel="c", limit=2, since=since)
                page = (await ann.hear("history"))["messages"]
                assert len(page) <= 2
                seen += [message["data"] for message in page]
                if not page:
                    break
                since["offset"] = page[-1]["offset"]
            assert seen == [0, 1, 2, 3, 4]

            await published(ann, "c", "passing")  # the channel's mark in the store goes ahead
            await ann.say(type="history", channel="c", limit=1)
            state = await ann.hear("history")
            await published(ann, "c", 5, persistent=True)
            recover = {"epoch": state["epoch"], "offset": state["offset"]}
            assert (await subscribed(ann, "c", recover=recover))["recovered"]
            assert (await ann.hear("message"))["data"] == 5

    asyncio.run(run())
    daemon.stop()


# ---- idempotency ----


def test_a_message_sent_again_is_answered_and_not_published_again(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob:
            await subscribed(bob, "c")
            first = {}
            for persistent in (True, False):
                key = f"key-{persistent}"
                for again in range(3):
                    await ann.say(
                        type="message", channel="c", data=again, persistent=persistent, idempotency_key=key, id=again
                    )
                answers = [await ann.hear("ack") for _ in range(3)]
                assert sorted(answer["id"] for answer in answers) == [0, 1, 2]
                places = {(a["offset"], a["epoch"], a["message_id"]) for a in answers}
                assert len(places) == 1
                first[persistent] = places.pop()
                assert (await bob.hear())["data"] == 0
            assert (await published(ann, "d", 1, idempotency_key="key-True"))["channel"] == "d"
            await bob.hears_nothing()
        daemon.kill()
        daemon.start()
        async with chat(daemon) as ann:
            answer = await published(ann, "c", "again", persistent=True, idempotency_key="key-True")
            assert (answer["offset"], answer["epoch"], answer["message_id"]) == first[True]
            for bad in ("", "x" * 129, "a\nb", 5):
                await ann.say(type="message", channel="c", data=1, idempotency_key=bad)
                assert (await ann.hear())["field"] == "idempotency_key"
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        request = {"user_id": "ann", "title": "t", "body": "b", "idempotency_key": "n"}
        answers = [await api.ask(NOTIFY, request) for _ in range(2)]
        assert answers[0]["notification_id"] == answers[1]["notification_id"]
        await api.close()
        daemon.kill()
        daemon.start()
        await api.connect()
        again = await api.ask(NOTIFY, request)
        assert again["notification_id"] == answers[0]["notification_id"]
        await api.close()

    asyncio.run(run())
    with sqlite3.connect(daemon.database) as db:
        assert db.execute("SELECT count(*) FROM messages WHERE channel = 'c'").fetchone()[0] == 1
        assert db.execute("SELECT count(*) FROM notifications").fetchone()[0] == 1
    daemon.stop()
