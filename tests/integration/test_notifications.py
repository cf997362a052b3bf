"""What is sent to a user: direct messages and notifications, which wait for who is away."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import pytest
from bearer import token_of
from bus_peer import NOTIFICATIONS_READ, NOTIFY, BusPeer, Refused
from channels import as_user, started, subscribed
from realtimed import chat, events


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


def test_a_stream_that_began_before_anything_was_stored_misses_nothing(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with events(daemon, f"channel=c&token={token_of('ann')}") as stream:
            await stream.begun()
            header = f"Last-Event-ID: {stream.last_event_id}\r\n"
        async with chat(daemon) as bob:
            await bob.say(type="direct", user_id="ann", data="away", persistent=True)
            await bob.hear("ack")
        async with events(daemon, f"channel=c&token={token_of('ann')}", header) as stream:
            assert (await stream.next())[1]["data"] == "away"

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
