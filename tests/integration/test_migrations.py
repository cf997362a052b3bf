"""Migrations are each whole or not there, whenever they are killed."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CTL = os.environ.get("REALTIMECTL", "build/asan/ctl/realtimectl")
MIGRATIONS = [path.read_text() for path in sorted((ROOT / "db" / "migrations").glob("*.sql"))]
KILLS = int(os.environ.get("RT_KILLS", "50"))
FIRST, MESSAGES = 5, 20000


def make(path: Path | str, version: int) -> sqlite3.Connection:
    """A store as the program of that schema left it."""
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    for sql in MIGRATIONS[:version]:
        store.executescript(sql)
    store.execute(f"PRAGMA user_version = {version}")
    return store


def schema(store: sqlite3.Connection) -> list[tuple]:
    return store.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def fill(store: sqlite3.Connection) -> None:
    store.execute("BEGIN")
    store.execute("INSERT INTO rooms (room_id, name, max_participants, created_at, updated_at) VALUES ('r', 'R', 2, 1, 1)")
    store.execute("INSERT INTO channels (channel, epoch, last_offset, created_at) VALUES ('c', 'e', ?, 1)", (MESSAGES,))
    store.executemany("INSERT INTO messages (channel, offset, message_id, data, created_at) VALUES ('c', ?, ?, '\"text\"', 1)",
                      ((number, f"msg_{number:016x}") for number in range(1, MESSAGES + 1)))
    store.execute("COMMIT")


def test_a_killed_migration_leaves_no_half_of_itself(tmp_path: Path) -> None:
    seed = int(os.environ.get("RT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RT_SEED={seed}")  # pytest shows it when the test fails
    chance = random.Random(seed)
    schemas = {}
    for version in range(FIRST, len(MIGRATIONS) + 1):
        with closing(make(":memory:", version)) as fresh:
            schemas[version] = schema(fresh)
    old, path, seen = tmp_path / "old.db", tmp_path / "realtime.db", set()
    with closing(make(old, FIRST)) as store:
        fill(store)
    command = {"args": [CTL, "migrate"], "stdout": subprocess.DEVNULL,
               "env": {**os.environ, "REALTIME_CONFIG": "/dev/null", "REALTIME_DATABASE": str(path)}}
    began = time.monotonic()
    path.write_bytes(old.read_bytes())
    subprocess.run(**command, check=True)
    whole_s = time.monotonic() - began
    for _ in range(KILLS):
        for name in path.parent.glob("realtime.db*"):
            name.unlink()
        path.write_bytes(old.read_bytes())
        process = subprocess.Popen(**command)
        time.sleep(chance.uniform(0, whole_s))
        process.kill()
        process.wait()
        with closing(sqlite3.connect(path)) as store:
            version = store.execute("PRAGMA user_version").fetchone()[0]
            assert schema(store) == schemas[version]
            assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert store.execute("SELECT count(*) FROM messages").fetchone() == (MESSAGES,)
            seen.add(version)
    print("killed at", sorted(seen))
    assert len(seen) > 1, "they all came too early, or too late"
    subprocess.run(**command, check=True)  # the next start goes on
    with closing(sqlite3.connect(path)) as store:
        assert schema(store) == schemas[len(MIGRATIONS)]
        assert store.execute("SELECT count(*) FROM messages").fetchone() == (MESSAGES,)
