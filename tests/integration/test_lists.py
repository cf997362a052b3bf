"""Lists that come in pages: each item once, and of whom they are for."""

from __future__ import annotations

import asyncio
from pathlib import Path

from answer import pages
from guarded_system import System
from realtimed import chat, connect
from samples import PNG

FILES = "/realtime/files"


def items_by_page(system: System, path: str, name: str, credential: str) -> list[list]:
    """The items of each page, to the end."""
    return [list(page[name]) for page in pages(lambda at: system.ask("GET", at, credential=credential), path)]


def put(system: System, credential: str, body: bytes, content_type: str, query: str = "") -> str:
    kept = system.stack.request("PUT", FILES + query, body, {"Authorization": f"Bearer {credential}", "Content-Type": content_type})
    assert kept.status == 201, kept.body
    return kept.json["file_id"]


def test_files_are_listed_for_whose_they_are(system: System) -> None:
    ann, ben, admin = system.token("ann"), system.token("ben"), system.key("admin", "--user", "root")
    pictures = [put(system, ann, PNG, "image/png", f"?filename={i}.png") for i in range(5)]
    text = put(system, ann, b"text", "text/plain; charset=utf-8", "?channel=general")
    other = put(system, ben, b"other", "text/plain")

    listed = items_by_page(system, FILES + "?limit=2", "items", ann)
    assert [len(page) for page in listed] == [2, 2, 2]
    of_ann = [item["file_id"] for page in listed for item in page]
    assert sorted(of_ann) == sorted([*pictures, text])
    times = [item["created_at"] for page in listed for item in page]
    assert times == sorted(times, reverse=True)
    newest = next(item for page in listed for item in page if item["file_id"] == text)
    assert newest["channel"] == "general" and newest["size"] == 4 and newest["user_id"] == "ann"
    assert system.stack.request("GET", newest["url"]).body == b"text"

    def ids(query: str, credential: str) -> list[str]:
        return [item["file_id"] for item in system.ask("GET", FILES + query, credential=credential).json["items"]]

    assert ids("?content_type=image/*", ann) and set(ids("?content_type=image/*", ann)) == set(pictures)
    assert ids("?content_type=text/plain", ann) == ids("?channel=general", ann) == [text]
    assert ids("?content_type=text/plai", ann) == ids("?user_id=ann&channel=none", ann) == []
    assert len(ids("?content_type=*/*", ann)) == 6
    assert ids("", ben) == ids("?user_id=ben", admin) == [other]
    assert len(ids("", admin)) == 7

    assert system.ask("GET", FILES + "?user_id=ann", credential=ben).status == 403
    assert system.ask("GET", FILES).status == 401
    for query, field in (("?content_type=png", "/content_type"), ("?content_type=*a/*", "/content_type"),
                         ("?cursor=x", "/cursor"), ("?limit=0", "/limit")):
        assert system.ask("GET", FILES + query, credential=ann).fields == [field]


def test_nobody_lists_files_where_anybody_may_publish(tmp_path: Path) -> None:
    """Their ids open them."""
    system = System(tmp_path, REALTIME_ANONYMOUS_PUBLISH="true")
    try:
        assert system.stack.request("PUT", FILES, PNG, {"Content-Type": "image/png"}).status == 201
        assert system.stack.request("GET", FILES).status == 401
    finally:
        system.stop()


def test_connections_and_channels_come_in_pages(system: System) -> None:
    admin = system.key("lister", "--user", "root")

    async def run() -> None:
        async with connect(system) as one, connect(system) as two, chat(system) as b, chat(system) as c, chat(system) as a:
            ids = {(await client.hear("welcome"))["connection_id"] for client in (one, two)}
            for client, channel in ((a, "a"), (b, "b"), (c, "ä&c")):
                await client.say(type="subscribe", channel=channel)
                await client.hear("subscribed")
            listed = await asyncio.to_thread(items_by_page, system, "/realtime/connections?limit=2", "connections", admin)
            assert [len(page) for page in listed] == [2, 2, 1]
            found = [item["connection_id"] for page in listed for item in page]
            assert found == sorted(set(found)) and ids <= set(found)
            names = await asyncio.to_thread(items_by_page, system, "/realtime/channels?limit=1", "channels", admin)
            assert names == [["a"], ["b"], ["ä&c"]]
            answer = system.ask("GET", "/realtime/connections?limit=0", credential=admin).json
            assert answer["total"] == 5 and answer["connections"] == [] and answer["next"] is None

    asyncio.run(run())
    for path in ("/realtime/connections?cursor=%20", "/realtime/channels?cursor=%0a"):
        assert system.ask("GET", path, credential=admin).fields == ["/cursor"]


def test_notifications_of_one_type(system: System) -> None:
    carl = system.token("carl")
    for kind in ("order", "message", "order"):
        sent = system.ask("POST", "/realtime/notifications/send", {"user_id": "carl", "title": "t", "body": "b", "notification_type": kind},
                          credential=system.key("sender", "--user", "shop"))
        assert sent.status == 201, sent.body
    listed = items_by_page(system, "/realtime/notifications?notification_type=order&limit=1", "items", carl)
    assert [[item["notification_type"] for item in page] for page in listed] == [["order"], ["order"]]
    assert items_by_page(system, "/realtime/notifications?notification_type=other&unread=true", "items", carl) == [[]]
