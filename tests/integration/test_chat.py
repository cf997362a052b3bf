"""Chat over WebSocket and SSE, with a real daemon."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path

import pytest
import websockets
from bus_peer import PUBLISH, BusPeer, Refused
from realtimed import Realtimed, chat, events, hold_up_store, raw_websocket, started


def test_a_message_reaches_websocket_and_sse_alike(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob, events(daemon, "channel=c") as stream:
            assert stream.status == 200
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert stream.headers["x-accel-buffering"] == "no"
            await bob.say(type="subscribe", channel="c", id=1)
            assert (await bob.hear("subscribed"))["id"] == 1
            await asyncio.sleep(0.05)
            await ann.say(type="message", channel="c", data={"text": "héllo\n"}, id="x")
            ack = await ann.hear("ack")
            assert ack["id"] == "x" and ack["offset"] == 1
            heard = await bob.hear("message")
            assert heard["data"] == {"text": "héllo\n"}
            kind, event = await stream.next()
            assert kind == "message" and event == heard
            assert stream.retry == 3000

    asyncio.run(run())


def test_bad_input_is_answered_and_the_connection_goes_on(daemon: Realtimed) -> None:
    cases = [
        ("{", "bad_json", None),
        ("[1]", "bad_json", None),
        ('{"type":"dance","id":4}', "unknown_type", "type"),
        ('{"type":"subscribe","id":4}', "missing_field", "channel"),
        ('{"type":"subscribe","channel":"a\\u0001"}', "bad_field", "channel"),
        ('{"type":"subscribe","channel":"%s"}' % ("x" * 256), "bad_field", "channel"),
        ('{"type":"message","channel":"c","data":1,"persistent":"yes"}', "bad_field", "persistent"),
    ]

    async def run() -> None:
        async with chat(daemon) as ann:
            for text, code, field in cases:
                await ann.socket.send(text)
                answer = await ann.hear()
                assert answer["type"] == "error" and answer["code"] == code
                assert answer.get("field") == field
                assert answer.get("id") == (4 if '"id":4' in text else None)
            await ann.socket.send(b"\x00\x01")
            assert (await ann.hear())["code"] == "bad_frame"
            await ann.say(type="ping", id=9, unknown={"ignored": True})
            assert await ann.hear() == {"type": "pong", "id": 9}

    asyncio.run(run())


def test_a_message_that_is_too_big_closes_with_1009(tmp_path: Path) -> None:
    daemon = started(tmp_path, WEBSOCKET_BINARY_MAX_SIZE="10000")

    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="message", channel="c", data="x" * 9000)
            await ann.hear("ack")
            await ann.say(type="message", channel="c", data="x" * 200000)
            assert await ann.close_code() == 1009

    asyncio.run(run())
    daemon.stop()


def test_invalid_utf8_closes_with_1007(daemon: Realtimed) -> None:
    async def run() -> None:
        reader, writer = await raw_websocket(daemon)
        writer.write(b"\x81\x82\x00\x00\x00\x00\xff\xfe")
        assert b"\x88" in await asyncio.wait_for(reader.read(), 5)
        writer.close()

    asyncio.run(run())


def test_large_messages_pass_whole_and_in_order(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob:
            await bob.say(type="subscribe", channel="c")
            await bob.hear("subscribed")
            for size in (100, 70000, 3, 500000, 126):
                await ann.say(type="message", channel="c", data="x" * size)
                assert len((await bob.hear("message"))["data"]) == size

    asyncio.run(run())


def test_a_new_subscriber_gets_the_newest_stored_then_live(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_HISTORY_SIZE="5")

    async def run() -> None:
        async with chat(daemon) as ann:
            for i in range(12):
                await ann.say(type="message", channel="c", data=i, persistent=True)
                await ann.hear("ack")
            async with chat(daemon) as bob:
                await bob.say(type="subscribe", channel="c")
                subscribed = await bob.hear("subscribed")
                assert subscribed["replay_count"] == 5 and subscribed["offset"] == 12
                replay = [await bob.hear("message") for _ in range(5)]
                assert [m["data"] for m in replay] == [7, 8, 9, 10, 11]
                assert all(m["replayed"] for m in replay)
                await ann.say(type="message", channel="c", data="live", persistent=True)
                live = await bob.hear("message")
                assert live["offset"] == 13 and "replayed" not in live
                epoch = live["epoch"]
            async with chat(daemon) as bob:
                await bob.say(type="subscribe", channel="c", recover={"epoch": epoch, "offset": 3})
                subscribed = await bob.hear("subscribed")
                assert subscribed["recovered"] and subscribed["replay_count"] == 10
                assert [(await bob.hear("message"))["offset"] for _ in range(10)] == list(range(4, 14))
                await bob.say(type="subscribe", channel="d", recover={"epoch": "old", "offset": 3})
                subscribed = await bob.hear("subscribed")
                assert subscribed["recovered"] is False and subscribed["reason"] == "epoch_changed"

    asyncio.run(run())
    daemon.stop()


def test_no_gap_and_no_duplicate_while_others_publish(daemon: Realtimed) -> None:
    async def publish(count: int) -> None:
        async with chat(daemon) as ann:
            for i in range(count):
                await ann.say(type="message", channel="c", data=i, persistent=i % 3 != 0)
                await ann.hear("ack")

    async def listen(after: float) -> list[dict]:
        await asyncio.sleep(after)
        heard: list[dict] = []
        async with chat(daemon) as bob:
            await bob.say(type="subscribe", channel="c", history={"limit": 1000})
            await bob.hear("subscribed")
            while not heard or heard[-1]["data"] != 299:
                heard.append(await bob.hear("message"))
        return heard

    async def run() -> None:
        results = await asyncio.gather(publish(300), *(listen(0.02 * i) for i in range(8)))
        for heard in results[1:]:
            offsets = [m["offset"] for m in heard]
            assert offsets == sorted(set(offsets))
            stored = [m["data"] for m in heard if m.get("persistent")]
            assert stored == [i for i in range(300) if i % 3 != 0]

    asyncio.run(run())


def test_sse_resumes_over_all_its_channels(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            async def say(channel: str, data: object) -> None:
                await ann.say(type="message", channel=channel, data=data, persistent=True)
                await ann.hear("ack")

            async with events(daemon, "channel=a&channel=b") as stream:
                await asyncio.sleep(0.05)
                await say("a", 1)
                await say("b", 2)
                assert [(await stream.next())[1]["data"] for _ in range(2)] == [1, 2]
                last = stream.last_event_id
            for i in range(3, 9):
                await say("a" if i % 2 else "b", i)
            for query, headers in (
                ("channel=a&channel=b", f"Last-Event-ID: {last}\r\n"),
                (f"channel=b&channel=a&last_event_id={last}", ""),
            ):
                async with events(daemon, query, headers) as stream:
                    assert [(await stream.next())[1]["data"] for _ in range(6)] == list(range(3, 9))
                    await say("a", "live")
                    assert (await stream.next())[1]["data"] == "live"
                await ann.say(type="message", channel="a", data="passing")
            async with events(daemon, "channel=a&channel=b&last_event_id=earliest") as stream:
                assert [(await stream.next())[1]["data"] for _ in range(8)] == list(range(1, 9))
            async with events(daemon, "channel=a&last_event_id=nonsense") as stream:
                assert stream.status == 400
            async with events(daemon, "") as stream:
                assert stream.status == 400

    asyncio.run(run())


def test_a_stream_that_began_when_all_was_trimmed_has_missed_nothing(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def say(data: object, **more: object) -> None:
        async with chat(daemon) as ann:
            await ann.say(type="message", channel="c", data=data, **more)
            await ann.hear("ack")

    asyncio.run(say("old", persistent=True))
    daemon.stop()
    with sqlite3.connect(daemon.database) as store:  # as retention does
        store.execute("UPDATE channels SET trimmed_offset = 1, trimmed_message_id = (SELECT message_id FROM messages)")
        store.execute("DELETE FROM messages")
    store.close()
    daemon.start()

    async def run() -> None:
        async with events(daemon, "channel=c") as stream:
            await stream.begun()
            header = f"Last-Event-ID: {stream.last_event_id}\r\n"
        async with events(daemon, "channel=c", header) as stream:
            await asyncio.sleep(0.2)
            await say("new")
            event, heard = await stream.next()
            assert (event, heard.get("data")) == ("message", "new"), heard

    asyncio.run(run())
    daemon.stop()


def test_an_event_stream_says_what_is_wrong_with_what_it_is_asked_for(daemon: Realtimed) -> None:
    async def run() -> None:
        for query, headers, field in (
            ("channel=" + "x" * 256, "", "/channel"),
            ("channel=c&channel=" + "x" * 600 + "&channel=d", "", "/channel"),
            ("channel=c&channel=", "", "/channel"),
            ("channel=c%01d", "", "/channel"),
            ("channel=c&last_event_id=" + "0" * 600, "", "/last_event_id"),
            ("channel=c", "Last-Event-ID: " + "0" * 600 + "\r\n", "/last_event_id"),
            ("channel=c&filters={", "", None),
            ("channel=c&filters=" + "x" * 5000, "", "/filters"),
            ("", "", "/channel"),
        ):
            async with events(daemon, query, headers) as stream:
                assert stream.status == 400, query
                body = json.loads(await asyncio.wait_for(stream.reader.read(), 5))
                assert [e["pointer"] for e in body.get("errors", [])] == ([field] if field else []), query

    asyncio.run(run())


def test_sse_heartbeats_and_notices_a_reader_that_left(tmp_path: Path) -> None:
    daemon = started(tmp_path, SSE_HEARTBEAT_INTERVAL="1", SSE_MAX_CONNECTIONS="1")

    async def run() -> None:
        async with events(daemon, "channel=c") as stream:
            text = b""
            while b"\n: " not in text:
                text += await asyncio.wait_for(stream.reader.read(1000), 3)
            async with events(daemon, "channel=c") as second:
                assert second.status == 503
        deadline = time.monotonic() + 3
        while True:
            async with events(daemon, "channel=c") as again:
                if again.status == 200:
                    break
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)

    asyncio.run(run())
    daemon.stop()


def test_an_acknowledged_message_survives_kill_9(daemon: Realtimed) -> None:
    async def publish(round_number: int) -> list[dict]:
        acks = []
        async with chat(daemon) as ann:
            for i in range(20):
                await ann.say(type="message", channel="c", data=[round_number, i], persistent=True, id=i)
                await ann.say(type="message", channel="c", data="passing")
            while len([a for a in acks if "id" in a]) < 10 + round_number:
                acks.append(await ann.hear("ack"))
            daemon.kill()
        return acks

    all_acks: list[dict] = []
    for round_number in range(10):
        acks = asyncio.run(publish(round_number))
        offsets = [ack["offset"] for ack in acks]
        assert not all_acks or min(offsets) > max(a["offset"] for a in all_acks)
        all_acks += acks
        with sqlite3.connect(daemon.database) as db:
            stored = {row[0] for row in db.execute("SELECT message_id FROM messages")}
        assert all(a["message_id"] in stored for a in all_acks if "id" in a)
        daemon.start()


def test_a_slow_consumer_is_dropped_and_can_resume(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_OUTBOX_MAX="65536")

    async def run() -> None:
        async with chat(daemon) as ann:
            slow = await websockets.connect(
                daemon.url("/realtime/ws"), max_size=None, max_queue=1, read_limit=1024, compression=None
            )
            await slow.recv()
            await slow.send(json.dumps({"type": "subscribe", "channel": "c"}))
            first = json.loads(await slow.recv())
            slow.transport.pause_reading()
            for _ in range(400):
                await ann.say(type="message", channel="c", data="x" * 20000, persistent=True)
            for _ in range(400):
                await ann.hear("ack")
            slow.transport.resume_reading()
            last = first["offset"]
            try:
                while True:
                    last = json.loads(await asyncio.wait_for(slow.recv(), 5))["offset"]
            except websockets.ConnectionClosed as closed:
                assert closed.code in (4508, 1006)
            assert last < 400
            async with chat(daemon) as again:
                await again.say(
                    type="subscribe", channel="c", recover={"epoch": first["epoch"], "offset": last}
                )
                assert (await again.hear("subscribed"))["recovered"]
                for offset in range(last + 1, 401):
                    assert (await again.hear("message"))["offset"] == offset

    asyncio.run(run())
    daemon.stop()


def test_a_group_that_the_store_gives_up_is_stored_not_even_in_part(daemon: Realtimed) -> None:
    lock = sqlite3.connect(daemon.database, isolation_level=None)
    lock.execute(
        "CREATE TRIGGER full BEFORE INSERT ON messages WHEN NEW.data = '666'"
        " BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
    )

    async def run() -> None:
        async with chat(daemon) as ann:
            await hold_up_store(ann, lock)  # it waits alone; the others become one group
            for data in (2, 666, 3):
                await ann.say(type="message", channel="c", data=data, persistent=True)
            await asyncio.sleep(0.2)
            lock.execute("ROLLBACK")
            assert (await ann.hear())["type"] == "ack"
            assert [(await ann.hear())["type"] for _ in range(3)] == ["error"] * 3
            assert lock.execute("SELECT data FROM messages").fetchall() == [("1",)]

    asyncio.run(run())
    lock.close()


def test_a_broadcast_over_the_bus_reaches_everybody(daemon: Realtimed) -> None:
    async def run() -> None:
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        async with chat(daemon) as ann, events(daemon, "channel=c") as stream:
            await asyncio.sleep(0.1)
            answer = await api.ask(PUBLISH, {"broadcast": True, "data": [1], "sender": "bob"})
            assert answer["delivered_to"] == 2
            assert answer["channel"] is None and answer["offset"] == 0 and answer["epoch"]
            heard = await ann.hear()
            assert heard == (await stream.next())[1]
            assert heard["data"] == [1] and heard["sender"] == "bob" and "channel" not in heard
            assert heard["message_id"] == answer["message_id"]
            for more in ({"persistent": True}, {"ttl": 5}):
                with pytest.raises(Refused) as refusal:
                    await api.ask(PUBLISH, {"broadcast": True, "data": 1, **more})
                assert refusal.value.body["code"] == "bad_field"
        await api.close()

    asyncio.run(run())
