"""realtimectl, beside a realtimed that runs and without one."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from realtimed import Realtimed, chat, connect

CTL = os.environ.get("REALTIMECTL", "build/asan/ctl/realtimectl")


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realtimed]:
    it = Realtimed(tmp_path_factory.mktemp("ctl"))
    it.start()
    yield it
    it.stop()


def ctl(daemon: Realtimed, *words: str, code: int = 0, **settings: str) -> str:
    """What it says: on stdout and nowhere else, or on stderr if it is to fail."""
    env = {**os.environ, "REALTIME_CONFIG": "/dev/null", **daemon.settings,
           "REALTIME_SFU_CONTROL": str(daemon.folder / "no-sfu.sock"), **settings}
    done = subprocess.run([CTL, *words], env=env, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == code and (code or not done.stderr), done.stderr
    return done.stdout if code == 0 else done.stderr + done.stdout


def test_bans_are_listed(daemon: Realtimed) -> None:
    with sqlite3.connect(daemon.database) as db:
        db.execute("INSERT INTO rooms (room_id, name, max_participants, created_at, updated_at) VALUES ('quiet', 'q', 2, 1, 1)")
        db.executemany("INSERT INTO room_bans (ban_id, room_id, user_id, reason, created_by, created_at, expires_at)"
                       " VALUES (?, 'quiet', ?, ?, ?, ?, ?)",
                       [("b1", "ann", "spam", "host", 1, None), ("b2", "bob", "", None, 2, 4102444800000), ("b3", "old", "", None, 3, 5)])
    assert ctl(daemon, "bans") == ("quiet\tann\tfor good\thost\tspam\n"
                                   "quiet\tbob\t2100-01-01T00:00:00Z\t-\t-\n")


def test_webhooks_are_listed(daemon: Realtimed) -> None:
    assert ctl(daemon, "webhooks") == ""
    with sqlite3.connect(daemon.database) as db:
        db.execute("INSERT INTO webhooks (webhook_id, url, events, channels, rooms, kinds, secret, failures_in_row,"
                   " created_at, updated_at) VALUES ('whk_1', 'https://a/', '[]', '[]', '[]', 0, 'whsec_x', 2, 1, 1)")
    assert ctl(daemon, "webhooks") == "whk_1\thttps://a/\tfailing\t0 pending\t0 failed\t0 dropped\n"


def test_what_goes_on_is_told(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, connect(daemon, "/realtime/webrtc/signaling?room_id=team&name=Bob") as bob:
            await ann.say(type="subscribe", channel="news")
            await ann.hear("subscribed")
            peer_id = (await bob.hear("joined"))["peer_id"]

            async def say(*words: str) -> str:
                return await asyncio.to_thread(ctl, daemon, *words)

            told = await say("status")
            assert "2 connections (1 WebSocket, 0 event streams, 1 in calls), 1 channels" in told
            assert "realtime-sfu: away" in told
            assert (await say("channels")) == "1\tnews\n"
            assert (await say("rooms")) == f"team\t{peer_id}\t-\tBob\tcall\n"
            lines = (await say("connections")).splitlines()
            assert sorted(line.split("\t")[1] for line in lines) == ["signaling", "websocket"]
            connection = next(line.split("\t")[0] for line in lines if line.endswith("\tnews"))
            assert (await say("connections", "--user", "nobody")) == ""
            assert (await say("disconnect", connection)) == "1 closed\n"
            assert await ann.close_code() == 4410

    asyncio.run(run())
    assert "there is no connection" in ctl(daemon, "disconnect", "conn_x", code=1)


def test_a_backup_is_whole_and_of_a_running_store(daemon: Realtimed, tmp_path: Path) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            for number in range(300):
                await ann.say(type="message", channel="kept", data=number, persistent=True)
            backup = asyncio.create_task(asyncio.to_thread(ctl, daemon, "backup", str(tmp_path / "copy.db")))
            for _ in range(300):
                await ann.hear("ack")
            await backup

    asyncio.run(run())
    with sqlite3.connect(tmp_path / "copy.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        offsets = [offset for (offset,) in db.execute("SELECT offset FROM messages ORDER BY offset")]
        assert offsets == list(range(1, len(offsets) + 1))
    assert "File exists" in ctl(daemon, "backup", str(tmp_path / "copy.db"), code=1)
    assert "cannot be written" in ctl(daemon, "backup", str(tmp_path / "no" / "copy.db"), code=1)
    assert ctl(daemon, "check") == "ok\n"
    assert ctl(daemon, "vacuum") == ""
    assert "up to date" in ctl(daemon, "migrate")


def test_a_damaged_store_is_told_and_left_alone(daemon: Realtimed, tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    ctl(daemon, "migrate", REALTIME_DATABASE=str(path))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("INSERT INTO messages (channel, offset, message_id, data, created_at) VALUES ('x', 1, 'm', '1', 1)")
    assert "refers to nothing in channels" in ctl(daemon, "check", code=1, REALTIME_DATABASE=str(path))
    path.write_bytes(b"this is no database" * 100)
    before = path.read_bytes()
    assert "damaged" in ctl(daemon, "check", code=1, REALTIME_DATABASE=str(path))
    assert path.read_bytes() == before


def test_without_realtimed_that_is_what_is_told(tmp_path: Path) -> None:
    nobody = Realtimed(tmp_path)
    assert "nobody answers at" in ctl(nobody, "status", code=1)
    key = ctl(nobody, "create-api-key", "shop", "--rights", "publish").strip()
    assert key.startswith("rtk_") and "shop" in ctl(nobody, "list-api-keys")


def test_words_that_make_no_sense_are_told_so(daemon: Realtimed) -> None:
    assert 'no command "reboot"' in ctl(daemon, "reboot", code=2)
    assert "FILE is missing" in ctl(daemon, "backup", code=2)
    assert "no option --now" in ctl(daemon, "vacuum", "--now", code=2)
    listed = ctl(daemon, "--help")
    for command in ("status", "backup FILE", "create-token USER", "disconnect ID"):
        assert command in listed
        assert ctl(daemon, command.split()[0], "--help").startswith(f"realtimectl {command}")


def test_the_search_is_begun_anew(daemon: Realtimed) -> None:
    with sqlite3.connect(daemon.database) as db:
        db.execute("UPDATE message_search_marks SET indexed_message_id = 'msg_1', swept_rowid = 7")
    assert ctl(daemon, "reindex") == ""
    with sqlite3.connect(daemon.database) as db:
        marks = db.execute("SELECT indexed_message_id, swept_rowid FROM message_search_marks").fetchone()
    assert marks == ("", 0)
