"""Chat over WebSocket and SSE, with a real daemon."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
import websockets
from bus_peer import PUBLISH, BusPeer, Refused
from realtimed import BINARY, Realtimed, chat, connect, events, get, raw_websocket, started


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


def test_publishing_and_connecting_need_what_is_set(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_ANONYMOUS_PUBLISH="false")

    async def publish() -> dict:
        async with chat(daemon) as ann:
            await ann.say(type="message", channel="c", data=1)
            return await ann.hear()

    assert asyncio.run(publish())["code"] == "forbidden"
    daemon.stop()

    daemon = started(tmp_path, WEBSOCKET_AUTH_REQUIRED="true", SSE_AUTH_REQUIRED="true")

    async def refused() -> None:
        async with connect(daemon) as ann:  # it may still say who it is
            await ann.say(type="subscribe", channel="c", id=1)
            refusal = await ann.hear()
            assert (refusal["code"], refusal["id"]) == ("authentication_required", 1)
            await ann.say(type="auth", token="rtk_wrong", id=2)
            refusal = await ann.hear()
            assert (refusal["code"], refusal["id"]) == ("bad_api_key", 2)
            assert await ann.close_code() == 4401
        async with connect(daemon, "/realtime/ws?api_key=rtk_wrong") as ann:
            assert (await ann.hear())["type"] == "error"
            assert await ann.close_code() == 4401
        async with events(daemon, "channel=c&api_key=rtk_wrong") as stream:
            assert stream.status == 401

    asyncio.run(refused())
    assert get(daemon, "/realtime/events?channel=c")[0] == 401
    assert "rtk_wrong" not in daemon.log()
    daemon.stop()


def test_an_api_key_says_who_it_is_and_may_publish(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_ANONYMOUS_PUBLISH="false", WEBSOCKET_AUTH_REQUIRED="true")
    key = "rtk_" + "a" * 40
    with sqlite3.connect(daemon.database) as db:
        db.execute(
            "INSERT INTO api_keys (key_id, name, prefix, key_hash, user_id, created_at)"
            " VALUES ('key_1', 'test', 'rtk_aaaa', ?, 'ann', 0)",
            (hashlib.sha256(key.encode()).digest(),),
        )

    async def run() -> None:
        for path, headers in (
            (f"/realtime/ws?api_key={key}", {}),
            ("/realtime/ws", {"X-API-Key": key}),
            ("/realtime/ws", {"Authorization": f"ApiKey {key}"}),
            ("/realtime/ws", {"Authorization": f"Bearer {key}"}),
        ):
            async with connect(daemon, path, extra_headers=headers) as ann:
                await ann.say(type="subscribe", channel="c")  # said before it is known who she is
                assert (await ann.hear("welcome"))["user_id"] == "ann"
                await ann.hear("subscribed")
                await ann.say(type="message", channel="c", data=1)
                assert (await ann.hear("message"))["sender"] == "ann"
        for query, status in (
            (f"channel=c&channel=user_ann&api_key={key}", 200),
            (f"channel=user_bob&api_key={key}", 403),
            ("channel=c&channel=user_ann", 403),
        ):
            async with events(daemon, query) as stream:
                assert stream.status == status

    asyncio.run(run())
    assert key not in daemon.log()
    daemon.stop()


def test_pages_of_other_sites_may_not_connect(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_ALLOWED_ORIGINS="https://good.example")

    async def run() -> None:
        with pytest.raises(websockets.InvalidStatusCode) as refusal:
            async with connect(daemon, origin="https://evil.example"):
                pass
        assert refusal.value.status_code == 403
        for origin in ("https://good.example", f"http://127.0.0.1:{daemon.port}"):
            async with chat(daemon, origin=origin):
                pass

    asyncio.run(run())
    daemon.stop()


def test_a_page_of_an_allowed_site_may_read_an_event_stream(tmp_path: Path) -> None:
    """A browser hands it over only if the answer says so; an API key is looked up before that."""
    daemon = started(tmp_path, REALTIME_ALLOWED_ORIGINS="https://good.example")

    async def run() -> None:
        good, own = "https://good.example", f"http://127.0.0.1:{daemon.port}"
        for origin in (good, own, None):
            header = f"Origin: {origin}\r\n" if origin else ""
            async with events(daemon, "channel=c", header) as stream:
                assert stream.status == 200
                assert stream.headers.get("access-control-allow-origin") == origin
                assert stream.headers.get("vary") == ("origin" if origin else None)
                await stream.begun()
        async with events(daemon, "channel=c", "Origin: https://evil.example\r\n") as stream:
            assert stream.status == 403
            assert "access-control-allow-origin" not in stream.headers
        async with events(daemon, "channel=c&api_key=rtk_none", f"Origin: {good}\r\n") as stream:
            assert stream.status == 401

    asyncio.run(run())
    daemon.stop()


def test_connections_are_limited(tmp_path: Path) -> None:
    daemon = started(tmp_path, WEBSOCKET_MAX_CONNECTIONS="2")

    async def run() -> None:
        async with chat(daemon), chat(daemon):
            with pytest.raises(websockets.InvalidStatusCode) as refusal:
                async with connect(daemon):
                    pass
            assert refusal.value.status_code == 503
        async with chat(daemon):
            pass

    asyncio.run(run())
    daemon.stop()


def test_dead_peers_are_closed(tmp_path: Path) -> None:
    daemon = started(tmp_path, WEBSOCKET_HEARTBEAT_INTERVAL="1")

    async def run() -> None:
        reader, writer = await raw_websocket(daemon)
        async with chat(daemon) as alive:
            began = time.monotonic()
            while await asyncio.wait_for(reader.read(1000), 8):
                pass
            assert time.monotonic() - began > 1.5
            await alive.say(type="ping")
            assert (await alive.hear())["type"] == "pong"
        writer.close()

    asyncio.run(run())
    daemon.stop()


def test_http_is_answered_plainly(daemon: Realtimed) -> None:
    assert get(daemon, "/realtime/health") == (200, {"status": "ok", "checks": {"realtimed": "ok"}})
    status, body = get(daemon, "/realtime/webrtc/health")
    assert status == 503 and body["status"] == "down"
    assert get(daemon, "/nothing")[1]["code"] == "not_found"
    assert get(daemon, "/realtime/ws")[1]["code"] == "upgrade_required"
    assert get(daemon, "/realtime/events?channel=c", "POST")[0] == 405
    for upgrade in ("foo", "h2c"):
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=5)
        connection.request("GET", "/realtime/ws", headers={"Upgrade": upgrade, "Connection": "Upgrade"})
        with pytest.raises((http.client.HTTPException, ConnectionError, AssertionError)):
            assert connection.getresponse().status >= 500
    assert get(daemon, "/realtime/health")[0] == 200


def test_it_stops_promptly_and_says_so(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann, events(daemon, "channel=c"):
            await ann.say(type="message", channel="c", data=1, persistent=True)
            await ann.hear("ack")
            loop = asyncio.get_running_loop()
            stopping = loop.run_in_executor(None, daemon.stop)
            assert await ann.close_code() == 1012
            assert await stopping < 3

    asyncio.run(run())


def test_what_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    first = started(tmp_path)

    def failure(**settings: str) -> str:
        second = Realtimed(tmp_path)
        second.settings.update({"REALTIME_BUS": str(tmp_path / "other.sock")}, **settings)
        ended = subprocess.run([BINARY], env=second.settings, capture_output=True, timeout=10)
        assert ended.returncode == 1, ended
        lines = ended.stderr.decode().strip().split("\n")
        assert len(lines) == 1
        return lines[0]

    assert "taken" in failure(REALTIME_LISTEN=f"127.0.0.1:{first.port}")
    assert "taken" in failure(REALTIME_BUS=first.bus)
    assert "REALTIME_LISTEN" in failure(REALTIME_LISTEN="nonsense")
    assert "WEBSOCKET_MAX_CONNECTIONS" in failure(WEBSOCKET_MAX_CONNECTIONS="-4")
    assert "/nowhere/x.db" in failure(REALTIME_DATABASE="/nowhere/x.db")
    first.stop()
    first.start()  # the socket file of a clean stop is gone
    first.kill()
    first.start()  # and one left by a crash is replaced
    first.stop()
    text = subprocess.run([BINARY, "--help"], capture_output=True, check=True).stdout.decode()
    assert "SSE_RETRY_TIMEOUT" in text


def test_ending_while_a_key_is_looked_up(tmp_path: Path) -> None:
    daemon = started(tmp_path)
    lock = sqlite3.connect(daemon.database, isolation_level=None)

    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="message", channel="c", data=1)
            await ann.hear("ack")
            lock.execute("BEGIN IMMEDIATE")
            await ann.say(type="message", channel="c", data=1, persistent=True)
            await asyncio.sleep(0.2)  # the store's thread waits for the lock now
            async with connect(daemon, "/realtime/ws?api_key=rtk_wrong"):
                await asyncio.to_thread(daemon.stop)

    asyncio.run(run())
    lock.close()


def test_a_group_that_the_store_gives_up_is_stored_not_even_in_part(daemon: Realtimed) -> None:
    lock = sqlite3.connect(daemon.database, isolation_level=None)
    lock.execute(
        "CREATE TRIGGER full BEFORE INSERT ON messages WHEN NEW.data = '666'"
        " BEGIN SELECT RAISE(ROLLBACK, 'disk full'); END"
    )

    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="message", channel="c", data=1)
            await ann.hear("ack")
            lock.execute("BEGIN IMMEDIATE")
            await ann.say(type="message", channel="c", data=1, persistent=True)
            await asyncio.sleep(0.2)  # it waits for the lock alone; the others become one group
            for data in (2, 666, 3):
                await ann.say(type="message", channel="c", data=data, persistent=True)
            await asyncio.sleep(0.2)
            lock.execute("ROLLBACK")
            assert (await ann.hear())["type"] == "ack"
            assert [(await ann.hear())["type"] for _ in range(3)] == ["error"] * 3
            assert lock.execute("SELECT data FROM messages").fetchall() == [("1",)]

    asyncio.run(run())
    lock.close()


def test_what_cannot_be_read_makes_nobody_anonymous(daemon: Realtimed) -> None:
    async def run() -> None:
        for headers, status in (
            ("Authorization: ApiKey rtk_" + "a" * 600, 401),
            ("Authorization: ApiKey ", 401),
            ("Authorization:", 401),
            ("Authorization: Bearer rtk_wrong", 401),
            ("X-API-Key: rtk_" + "a" * 600, 401),
            ("X-API-Key:", 401),
            ("Origin: http://" + "a" * 1100 + ".example", 403),
            ("Authorization: Basic YTpi", 200),
        ):
            async with events(daemon, "channel=c", headers + "\r\n") as stream:
                assert stream.status == status, headers[:40]
        async with events(daemon, "channel=c&api_key=" + "a" * 600) as stream:
            assert stream.status == 401

    asyncio.run(run())


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
