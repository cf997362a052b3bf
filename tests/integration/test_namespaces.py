"""Names of channels: what a pattern stands for, and what is set for those that a namespace holds."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from channels import as_user, published, started, subscribed
from realtimed import Client, Realtimed, chat, connect, events


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
