"""Notifications by REST: sent, listed and marked as read; and the same through the Python client."""

from __future__ import annotations

import asyncio
import sqlite3

import fake_bus
import pytest
from answer import pages
from api_command import key_of
from conftest import Stack

import realtime
from realtime.routes import webrtc_rooms

ROOMS = "/realtime/webrtc/rooms"
NOTIFICATIONS = "/realtime/notifications"
SENT = {"notification_id": "ntf_1", "message_id": "msg_1", "channel": "user_ada", "offset": 1,
        "epoch": "e", "delivered_to": 0}


@pytest.fixture
def notifying(stack: Stack) -> Stack:
    stack.realtimed.answers[fake_bus.NOTIFY] = lambda _: SENT
    stack.realtimed.answers[fake_bus.NOTIFICATIONS_READ] = lambda _: {"changed": 2}
    return stack


def test_a_notification_reaches_the_bus_with_its_target(notifying: Stack) -> None:
    stack = notifying
    sent = stack.request("POST", NOTIFICATIONS + "/send", {
        "user_id": "ada", "title": "Hé", "body": "there", "notification_type": "call",
        "data": {"from": [1]}, "ttl": 60, "tags": {"a": "b"}, "idempotency_key": "k1"},
        key_of(stack, "shop"))
    assert sent.status == 201 and sent.json == SENT
    assert stack.realtimed.bodies_of(fake_bus.NOTIFY)[-1] == {
        "user_id": "ada", "title": "Hé", "body": "there", "notification_type": "call",
        "data": {"from": [1]}, "ttl": 60, "tags": {"a": "b"}, "idempotency_key": "k1",
        "sender": "shop"}

    text = {"title": "T", "body": "", "data": None}
    assert stack.request("POST", NOTIFICATIONS + "/channel",
                         {"channel": "news", "persistent": True, **text}).status == 201
    assert stack.realtimed.bodies_of(fake_bus.NOTIFY)[-1] == {
        "channel": "news", "persistent": True, "title": "T", "body": "",
        "notification_type": "message"}
    assert stack.request("POST", NOTIFICATIONS + "/broadcast", text).status == 201
    assert stack.realtimed.bodies_of(fake_bus.NOTIFY)[-1] == {
        "broadcast": True, "title": "T", "body": "", "notification_type": "message"}


@pytest.mark.parametrize("change,status,pointer", [
    ({"title": "x" * 201}, 400, "/title"), ({"title": "é" * 101}, 400, "/title"),
    ({"body": "x" * 4097}, 400, "/body"), ({"notification_type": "x" * 65}, 400,
                                           "/notification_type"),
    ({"notification_type": "häh"}, 400, "/notification_type"),
    ({"data": "x" * 65535}, 413, "/data"), ({"tags": []}, 400, "/tags"),
    ({"idempotency_key": ""}, 400, "/idempotency_key"), ({"user_id": "x" * 129}, 400, "/user_id"),
])
def test_limits_of_a_notification_are_told(notifying: Stack, change: dict, status: int,
                                           pointer: str) -> None:
    whole = {"user_id": "ada", "title": "x" * 200, "body": "x" * 4096, "data": "x" * 65534,
             "notification_type": "x" * 64}
    assert notifying.request("POST", NOTIFICATIONS + "/send", whole).status == 201
    answer = notifying.request("POST", NOTIFICATIONS + "/send", {**whole, **change})
    assert answer.status == status and answer.fields == [pointer]


def test_stored_notifications_are_paged_and_are_ones_own(notifying: Stack) -> None:
    stack = notifying
    key = key_of(stack, "reader")
    with sqlite3.connect(stack.database) as realtimed:
        realtimed.executemany(
            "INSERT INTO notifications (notification_id, message_id, user_id, offset,"
            " notification_type, title, body, data, sender, created_at, delivered_at, read_at)"
            " VALUES (?, ?, ?, ?, 'call', 'T', 'B', ?, ?, ?, ?, ?)",
            [(f"ntf_{i}", f"msg_{i:016x}", "other" if i == 9 else "reader", i,
              '"text"' if i == 1 else None, "shop" if i == 1 else None, 1000 + i,
              2000 if i < 3 else None, 3000 if i == 2 else None) for i in range(1, 10)])

    seen: list[dict] = []
    for page in pages(lambda at: stack.request("GET", at, headers=key), f"{NOTIFICATIONS}?limit=3"):
        assert page["unread"] == 7
        seen += page["items"]
    assert [item["notification_id"] for item in seen] == [f"ntf_{i}" for i in range(8, 0, -1)]
    assert seen[-1] == {
        "notification_id": "ntf_1", "title": "T", "body": "B", "notification_type": "call",
        "data": "text", "sender": "shop", "created_at": 1001, "delivered_at": 2000,
        "read_at": None}
    assert seen[-2]["read_at"] == 3000 and seen[0]["delivered_at"] is None
    unread = stack.request("GET", NOTIFICATIONS + "?unread=true", headers=key).json["items"]
    assert [item["notification_id"] for item in unread] == ["ntf_8", "ntf_7", "ntf_6", "ntf_5",
                                                            "ntf_4", "ntf_3", "ntf_1"]
    assert stack.request("GET", NOTIFICATIONS).status == 401


def test_marking_as_read_is_done_by_realtimed(notifying: Stack) -> None:
    stack = notifying
    key = key_of(stack, "marker")
    one = stack.request("POST", NOTIFICATIONS + "/ntf_7/read", headers=key)
    assert one.status == 204 and one.body == b""
    assert stack.realtimed.bodies_of(fake_bus.NOTIFICATIONS_READ)[-1] == {
        "user_id": "marker", "notification_id": "ntf_7"}
    every = stack.request("POST", NOTIFICATIONS + "/read", headers=key)
    assert every.status == 200 and every.json == {"changed": 2}
    assert stack.realtimed.bodies_of(fake_bus.NOTIFICATIONS_READ)[-1] == {"user_id": "marker"}

    def refuse(_: dict) -> dict:
        raise fake_bus.Refusal(2, "notification_not_found", "you have no notification ntf_8",
                               "notification_id")

    stack.realtimed.answers[fake_bus.NOTIFICATIONS_READ] = refuse
    missing = stack.request("POST", NOTIFICATIONS + "/ntf_8/read", headers=key)
    assert missing.status == 404 and missing.json["code"] == "notification_not_found"
    assert stack.request("POST", NOTIFICATIONS + "/read").status == 401


def test_stored_notifications_are_listed_while_realtimed_is_away(own_stack: Stack) -> None:
    stack = own_stack
    stack.start_api()
    stack.start_nginx()
    stack.wait_until_up()
    key = key_of(stack, "alone")
    assert stack.request("GET", NOTIFICATIONS, headers=key).json == {
        "items": [], "unread": 0, "next": None}
    refused = stack.request("POST", NOTIFICATIONS + "/read", headers=key)
    assert refused.status == 503 and refused.headers["Retry-After"]


# ---- the Python client ----


def test_the_python_client_speaks_to_the_api(notifying: Stack) -> None:
    stack = notifying
    url = f"ws://127.0.0.1:{stack.port}/realtime/ws"
    client = realtime.WSClient(url, api_key=key_of(stack, "python")["X-API-Key"])

    async def work() -> None:
        made = await client.post(ROOMS, json={"room_id": "py_1", "name": "Встреча команды",
                                              "max_participants": 10})
        assert made["room_id"] == "py_1" and made["participants"] == 0
        room = await webrtc_rooms.get(client, "py_1")
        changed = await webrtc_rooms.update(client, "py_1", room["etag"], name="New")
        assert changed["name"] == "New"
        with pytest.raises(realtime.RealtimeError) as error:
            await webrtc_rooms.update(client, "py_1", room["etag"], name="Late")
        assert (error.value.status, error.value.code) == (412, "room_changed")
        with pytest.raises(realtime.RealtimeError) as error:
            await webrtc_rooms.create(client, realtime.WebRTCRoom(max_participants=0))
        assert error.value.field == "max_participants"
        assert "py_1" in {r["room_id"] for r in (await webrtc_rooms.list_page(client))["items"]}
        await webrtc_rooms.delete(client, "py_1")
        assert (await client.notifications())["unread"] == 0
        await client.mark_notification_read("ntf_7")

    asyncio.run(work())
    assert stack.realtimed.bodies_of(fake_bus.NOTIFICATIONS_READ)[-1] == {
        "user_id": "python", "notification_id": "ntf_7"}
