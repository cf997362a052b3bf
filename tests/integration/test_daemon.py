"""realtimed as a process: how it starts, what it answers to plain HTTP, how it ends."""

from __future__ import annotations

import asyncio
import http.client
import sqlite3
import subprocess
from pathlib import Path

import pytest
from realtimed import BINARY, Realtimed, chat, connect, events, get, hold_up_store, started


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
            await hold_up_store(ann, lock)
            async with connect(daemon, "/realtime/ws?api_key=rtk_wrong"):
                await asyncio.to_thread(daemon.stop)

    asyncio.run(run())
    lock.close()
