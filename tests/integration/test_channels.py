"""What a subscriber may ask of a channel: filters, presence, history; and publishing once whatever is sent twice."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from contextlib import AsyncExitStack
from pathlib import Path

from bearer import token_of
from bus_peer import NOTIFY, BusPeer
from channels import as_user, published, started, subscribed
from realtimed import chat, events


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


def test_pages_of_history_that_are_too_large_are_shorter(tmp_path: Path) -> None:
    """32 MiB at once, whatever the limit is; so a page may have fewer, and the next one goes on behind it."""
    daemon = started(tmp_path, REALTIME_HISTORY_BYTES="1GB")
    count = 36

    async def run() -> None:
        async with chat(daemon) as ann:
            for _ in range(count):
                await published(ann, "c", "x" * 1_000_000, persistent=True)
            since, offsets = {"epoch": (await published(ann, "c", 0))["epoch"], "offset": 0}, []
            while len(offsets) < count:
                await ann.say(type="history", channel="c", since=since, limit=1000)
                page = await ann.hear("history", timeout=30)
                assert "reason" not in page and page["messages"] and page["offset"] == count + 1
                offsets += [message["offset"] for message in page["messages"]]
                since["offset"] = offsets[-1]
            assert offsets == list(range(1, count + 1))

    asyncio.run(run())
    daemon.stop()


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
