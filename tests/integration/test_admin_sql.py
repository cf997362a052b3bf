"""Every query of docs/admin-sql.md, on a store that has something of everything."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from conftest import API
from tools.fronts import ROOT

QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "admin-sql.md").read_text(), re.S)
NOW = int(time.time() * 1000)
HOUR = 3600 * 1000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("admin") / "realtime.db"
    for name, options in (("old laptop", []), ("shop", ["--rights", "publish", "--channels", '{"news": "publish"}'])):
        subprocess.run([str(API), "create-api-key", name, *options], check=True, capture_output=True,
                       env={"REALTIME_DATABASE": str(path), "REALTIME_CONFIG": "/dev/null"})
    with sqlite3.connect(path) as db:
        for room_id, created in (("team", NOW - HOUR), ("old", NOW - 60 * 24 * HOUR)):
            db.execute("INSERT INTO rooms (room_id, name, max_participants, created_at, updated_at)"
                       " VALUES (?, 'Room', 10, ?, ?)", (room_id, created, created))
        for peer, left, reason in (("p1", None, None), ("p2", NOW - HOUR // 2, "left")):
            db.execute("INSERT INTO participant_sessions (room_id, peer_id, user_id, joined_at, left_at, leave_reason)"
                       " VALUES ('team', ?, 'ann', ?, ?, ?)", (peer, NOW - HOUR, left, reason))
        db.execute("INSERT INTO participant_sessions (room_id, peer_id, user_id, joined_at, left_at, leave_reason)"
                   " VALUES ('team', 'p3', 'spammer', ?, ?, 'kicked')", (NOW - HOUR, NOW))
        db.execute("INSERT INTO room_bans (ban_id, room_id, user_id, created_at) VALUES ('ban_1', 'team', 'bob', ?)", (NOW,))
        db.execute("INSERT INTO room_invites (invite_id, room_id, token_hash, max_uses, created_at)"
                   " VALUES ('invite_1', 'team', zeroblob(32), 2, ?)", (NOW,))
        db.execute("INSERT INTO channels (channel, epoch, last_offset, created_at) VALUES ('news', 'e', 1, ?)", (NOW,))
        for offset, sender, kind, data in ((1, "ann", "message", '{"kind":"note"}'), (2, "spammer", "message", '{}'),
                                           (3, "ann", "binary", "null")):
            db.execute("INSERT INTO messages (channel, offset, message_id, sender, kind, data, content_type,"
                       " payload_bytes, created_at) VALUES ('news', ?, ?, ?, ?, ?, 'image/png', 10, ?)",
                       (offset, f"msg_{offset:016x}", sender, kind, data, NOW))
        for number, read in ((1, None), (2, NOW)):
            db.execute("INSERT INTO notifications (notification_id, message_id, user_id, offset, notification_type,"
                       " title, body, created_at, delivered_at, read_at) VALUES (?, ?, 'ann', ?, 'call', 't', 'b', ?, ?, ?)",
                       (f"ntf_{number}", f"msg_{number + 100:016x}", number, NOW - HOUR, read, read))
        db.execute("INSERT INTO uploads (file_id, sha256, size_bytes, content_type, user_id, created_at)"
                   " VALUES ('file_1', ?, 10, 'image/png', 'ann', ?)", ("0" * 64, NOW))
        db.execute("INSERT INTO message_search (rowid, channel, text) VALUES (1, 'k6e657773', 'the order came')")
        db.execute("INSERT INTO webhooks (webhook_id, url, events, channels, rooms, kinds, secret, created_at, updated_at)"
                   " VALUES ('whk_1', 'https://example.org/', '[]', '[]', '[]', 1, 'whsec_', ?, ?)", (NOW, NOW))
        db.execute("INSERT INTO webhook_events (sequence, event_id, type, data, occurred_at)"
                   " VALUES (1, 'evt_1', 'room.created', '{}', ?)", (NOW,))
        db.execute("INSERT INTO webhook_deliveries (webhook_id, sequence, state, next_attempt_at, queued_at, error,"
                   " created_at, finished_at) VALUES ('whk_1', 1, 'failed', ?, ?, 'answered 500', ?, ?)", (NOW,) * 4)
        db.execute("INSERT INTO idempotency_keys (caller, key, request_hash, created_at, leased_until)"
                   " VALUES ('ann', 'k', zeroblob(32), ?, ?)", (NOW - HOUR, NOW - HOUR))
    return path


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: re.sub(r"\W+", "_", query)[:40])
def test_the_query_finds_something(store: Path, query: str) -> None:
    with sqlite3.connect(store) as db:
        cursor = db.execute(query)
        if query.startswith(("SELECT", "WITH", "PRAGMA")):
            rows = cursor.fetchall()
            assert rows, query
            assert not query.startswith("PRAGMA quick") or rows == [("ok",)]
        else:
            assert cursor.rowcount == 1


def test_the_page_has_a_query_for_every_view(store: Path) -> None:
    with sqlite3.connect(store) as db:
        views = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'view'")]
    text = "\n".join(QUERIES)
    assert views and all(re.search(rf"FROM {view}\b", text) for view in views)


def test_what_was_deleted_by_hand_leaves_its_place_taken(store: Path) -> None:
    with sqlite3.connect(store) as db:
        db.execute("DELETE FROM messages WHERE channel = 'news'")
        assert db.execute("SELECT last_offset FROM channels WHERE channel = 'news'").fetchone() == (3,)


def test_people_may_read_while_somebody_writes(store: Path) -> None:
    with sqlite3.connect(store) as writer, sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=0) as reader:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE rooms SET name = 'b'")
        assert reader.execute("SELECT name FROM rooms").fetchone() == ("Room",)
