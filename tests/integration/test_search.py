"""Searching stored messages, and listing them by who, when and what."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from answer import Answer, pages
from conftest import wait_until
from guarded_system import System

CHANNELS, SEARCH = "/realtime/channels", "/realtime/search"


class Searched(System):
    def __init__(self, folder: Path, **settings: str) -> None:
        names = folder / "namespaces.json"
        names.write_text(json.dumps({"namespaces": [
            {"channels": "quiet_*", "search": False},
            {"channels": "short_*", "history_size": 2, "history_kept": 2},
            {"channels": "staff_*", "subscribe": "granted"}]}))
        super().__init__(folder, REALTIME_NAMESPACES=str(names), **settings)
        self.admin = self.token("root", roles=["admin"])

    def send(self, channel: str, data: object, **fields: object) -> dict:
        sent = self.ask("POST", "/realtime/send", {"channel": channel, "data": data, "persistent": True, **fields},
                        self.admin)
        assert sent.status == 201, sent.body
        return sent.json

    def look(self, channel: str, query: str, credential: str | None = None) -> Answer:
        return self.ask("GET", f"{CHANNELS}/{channel}/messages?{query}", credential=credential or self.admin)

    def offsets(self, channel: str, query: str) -> list[int]:
        answer = self.look(channel, query)
        assert answer.status == 200, answer.body
        return [item["offset"] for item in answer.json["items"]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searched]:
    running = Searched(tmp_path_factory.mktemp("search"))
    try:
        yield running
    finally:
        running.stop()


def test_a_message_is_found_within_a_second(system: Searched) -> None:
    began = time.monotonic()
    sent = system.send("one", {"text": "Größere Füchse springen", "from": {"name": "Ann"}})
    wait_until(lambda: system.offsets("one", "q=fuchse"))
    assert time.monotonic() - began < 1.5
    item = system.look("one", "q=fuch").json["items"][0]
    assert item["message_id"] == sent["message_id"] and item["data"]["from"] == {"name": "Ann"}
    assert item["snippet"] == [{"text": "Größere ", "match": False}, {"text": "Füchse", "match": True},
                               {"text": " springen Ann", "match": False}]
    assert "snippet" not in system.look("one", "").json["items"][0]
    assert system.offsets("one", "q=" + quote('"fuchse springen"')) == [sent["offset"]]
    assert system.offsets("one", "q=" + quote('"springen fuchse"')) == []


def test_pages_of_what_was_found_hold_while_others_come(system: Searched) -> None:
    for number in range(7):
        system.send("paged", f"needle {number}")
        system.send("other", f"needle {number}")
    wait_until(lambda: len(system.offsets("paged", "q=needle")) == 7)
    seen = []
    for page in pages(lambda query: system.look("paged", query), "q=needle&limit=3", "before"):
        seen += [item["data"] for item in page["items"]]
        system.send("paged", "needle, but later")
    assert seen == [f"needle {number}" for number in range(6, -1, -1)]


def test_the_rights_of_the_channel_hold(system: Searched) -> None:
    system.send("staff_a", "needle of the staff")
    assert system.look("staff_a", "q=needle", system.token("ann")).status == 403
    granted = system.token("ben", channels={"staff_*": ["subscribe"]})
    wait_until(lambda: system.look("staff_a", "q=needle", granted).json["items"])
    assert system.ask("GET", SEARCH + "?q=needle", credential=granted).status == 403
    assert system.ask("GET", SEARCH + "?q=needle").status == 401


def test_admins_search_all_channels(system: Searched) -> None:
    for number in range(5):
        system.send(f"all_{number}", {"say": "haystack"})

    def found(query: str) -> dict:
        answer = system.ask("GET", f"{SEARCH}?{query}", credential=system.admin)
        assert answer.status == 200, answer.body
        return answer.json

    wait_until(lambda: len(found("q=haystack")["items"]) == 5)
    assert [item["channel"] for item in found("q=haystack")["items"]] == [f"all_{number}" for number in (4, 3, 2, 1, 0)]
    assert [item["channel"] for item in found("q=haystack&channel=*_3")["items"]] == ["all_3"]
    first = found("q=haystack&limit=2")
    second = found(f"q=haystack&limit=2&cursor={first['next']}")
    third = found(f"q=haystack&limit=2&cursor={second['next']}")
    names = [item["channel"] for page in (first, second, third) for item in page["items"]]
    assert names == [f"all_{number}" for number in (4, 3, 2, 1, 0)] and third["next"] is None
    assert all(item["epoch"] for item in first["items"])


def test_what_is_trimmed_or_expired_is_not_found(system: Searched) -> None:
    for number in range(4):
        system.send("short_1", f"brief {number}")
    system.send("gone", "brief moment", ttl=1)
    wait_until(lambda: system.offsets("gone", "q=brief"))
    time.sleep(1.1)
    assert system.offsets("gone", "q=brief") == []
    listed = system.offsets("short_1", "")
    assert system.offsets("short_1", "q=brief") == listed
    system.sql("DELETE FROM messages WHERE channel = 'short_1'")
    assert system.offsets("short_1", "q=brief") == []

    def rows() -> int:
        with sqlite3.connect(system.stack.database) as db:
            return int(db.execute("SELECT count(*) FROM message_search WHERE message_search MATCH 'brief'").fetchone()[0])

    wait_until(lambda: rows() <= 1, 15)  # the one that expired may still be stored


def test_a_namespace_may_keep_its_messages_out(system: Searched) -> None:
    system.send("quiet_1", "secretword")
    system.send("loud", "secretword")
    wait_until(lambda: system.offsets("loud", "q=secretword"))
    refused = system.look("quiet_1", "q=secretword")
    assert refused.status == 403 and refused.json["code"] == "search_disabled"
    found = system.ask("GET", SEARCH + "?q=secretword", credential=system.admin).json["items"]
    assert [item["channel"] for item in found] == ["loud"]


def test_messages_are_listed_by_who_when_and_what(system: Searched) -> None:
    ann = system.token("ann")
    one = system.send("mixed", 1, tags={"lang": "de"})
    system.ask("POST", "/realtime/send", {"channel": "mixed", "data": 2, "persistent": True}, ann)
    system.ask("POST", "/realtime/binary/send", {"channel": "mixed", "binary_data": "aGVsbG8=", "persistent": True,
                                                 "content_type": "text/plain"}, ann)
    assert system.offsets("mixed", "") == [3, 2, 1]
    assert system.offsets("mixed", "sender=ann") == [3, 2]
    assert system.offsets("mixed", "sender=ann&kind=message") == [2]
    assert system.offsets("mixed", "content_type=text/plain") == [3]
    assert system.offsets("mixed", "tag=lang:de") == [1]
    assert system.offsets("mixed", "tag=lang:en") == []
    assert system.offsets("mixed", "sender=ann&after=2") == [3]
    first_ms = system.look("mixed", "before=2").json["items"][0]["ts"]
    assert one["offset"] in system.offsets("mixed", f"since={first_ms}&until={first_ms + 1}")
    assert system.offsets("mixed", "until=1") == []


@pytest.mark.parametrize(("query", "field"), [
    ("q=", "q"), ("q=%22%22", "q"), ("q=*", "q"), ("q=" + "x" * 201, "q"), ("q=%01x", "q"),
    ("q=" + quote("a b c d e f g h i j k l m n o p q"), "q"), ("q=a&after=1", "after"), ("limit=0", "limit"),
    ("limit=201", "limit"), ("before=x", "before"), ("after=-1", "after"), ("before=1&after=1", "after"),
    ("since=yesterday", "since"), ("until=-5", "until"), ("kind=odd", "kind"), ("tag=x", "tag"), ("tag=:x", "tag"),
])
def test_what_is_wrong_is_named(system: Searched, query: str, field: str) -> None:
    answer = system.look("c", query)
    assert answer.status == 400 and answer.fields == [f"/{field}"], answer.body
    if "after" not in query and "before" not in query:
        assert system.ask("GET", f"{SEARCH}?{query}", credential=system.admin).fields == [f"/{field}"]


def test_bad_cursors_are_named(system: Searched) -> None:
    for cursor in ("x", "msg_", "msg_00000000000000zz", "msg_0000000000000001'"):
        answer = system.ask("GET", f"{SEARCH}?cursor={quote(cursor)}", credential=system.admin)
        assert answer.status == 400 and answer.fields == ["/cursor"]


@pytest.mark.parametrize("text", ['" OR "', "a* NOT b", "text:x", "NEAR(a b)", "'; DROP TABLE messages; --", "a AND",
                                  "(", "{text} : x", "^start", "k6d6978656400"])
def test_nothing_typed_is_syntax(system: Searched, text: str) -> None:
    system.send("typed", text)
    answer = system.look("typed", "q=" + quote(text))
    assert answer.status in (200, 400), answer.body
    if answer.status == 400:
        assert answer.fields == ["/q"] and not any(letter.isalnum() for letter in text)
    else:
        wait_until(lambda: system.offsets("typed", "q=" + quote(text)))


def test_what_was_stored_before_is_taken_in_afterwards(system: Searched) -> None:
    system.stack.stop("api")
    system.sql("DELETE FROM message_search")
    system.sql("UPDATE message_search_marks SET indexed_message_id = '', swept_rowid = 0")
    system.stack.start_api()
    system.stack.wait_until_up()
    wait_until(lambda: len(system.offsets("paged", "q=needle&limit=200")) >= 7)
