"""Who may connect to realtimed, and from where, how many at once and for how long."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from pathlib import Path

import pytest
import websockets
from realtimed import Realtimed, chat, connect, events, get, raw_websocket, started


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


def test_who_leaves_in_the_middle_of_a_head_is_not_waited_for(daemon: Realtimed) -> None:
    """Such a socket stays readable, so that waiting for the rest of the head would take a whole core."""

    async def said(head: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", daemon.port)
        writer.write(head)
        await asyncio.sleep(0.1)
        writer.write_eof()
        try:
            async with asyncio.timeout(5):  # half of the time that a head may take
                return await reader.read()
        except ConnectionResetError:
            return b""  # closed, and what was said never read
        finally:
            writer.close()

    async def run() -> None:
        assert await said(b"GET /realtime/health HTTP/1.1\r\nHost: x\r\n") == b""
        assert (await said(b"GET /realtime/health HTTP/1.1\r\nHost: x\r\n\r\n")).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())


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
