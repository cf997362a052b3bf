"""The REST API through nginx, over FastCGI and over SCGI."""

from __future__ import annotations

import http.client
import sqlite3
import subprocess
import threading
import time

import fake_bus
import pytest
from answer import pages
from conftest import Stack, wait_until

ROOMS = "/realtime/webrtc/rooms"


@pytest.fixture
def room(stack: Stack) -> dict:
    answer = stack.request("POST", ROOMS, {"name": "A room"})
    assert answer.status == 201, answer.body
    return answer.json


# ---- rooms ----


def test_a_room_lives_from_post_to_delete(stack: Stack) -> None:
    made = stack.request("POST", ROOMS, {"room_id": "meeting_123", "name": "Встреча команды",
                                         "max_participants": 10, "metadata": {"a": [1]}})
    path = f"{ROOMS}/meeting_123"
    assert made.status == 201
    assert made.headers["Location"] == path
    assert made.headers["Content-Type"] == "application/json"
    assert made.json["name"] == "Встреча команды"
    assert made.json["participants"] == 0
    assert made.json["recording"] is False
    assert made.json["etag"] == made.headers["ETag"]

    read = stack.request("GET", path)
    assert read.status == 200 and read.json == made.json
    listed = stack.request("GET", ROOMS).json["items"]
    assert made.json in listed

    changed = stack.request("PUT", path, {"name": "Renamed", "locked": True},
                            {"If-Match": made.headers["ETag"]})
    assert changed.status == 200
    assert changed.json["name"] == "Renamed" and changed.json["locked"] is True
    assert changed.json["max_participants"] == 10 and changed.json["metadata"] == {"a": [1]}
    wait_until(lambda: any(body["name"] == "Renamed" for body in
                           stack.realtimed.bodies_of(fake_bus.ROOM_UPDATED)))

    assert stack.request("DELETE", path).status == 204
    assert stack.request("GET", path).json["code"] == "room_not_found"
    assert stack.request("DELETE", path).status == 404
    wait_until(lambda: {"room_id": "meeting_123"} in
               stack.realtimed.bodies_of(fake_bus.ROOM_DELETED))


def test_a_taken_room_id_is_a_conflict(stack: Stack, room: dict) -> None:
    again = stack.request("POST", ROOMS, {"room_id": room["room_id"]})
    assert again.status == 409
    assert again.json["code"] == "room_exists"
    assert again.headers["Content-Type"] == "application/problem+json"


def test_conditional_requests_follow_the_etag(stack: Stack, room: dict) -> None:
    path = f"{ROOMS}/{room['room_id']}"
    same = stack.request("GET", path, headers={"If-None-Match": room["etag"]})
    assert same.status == 304 and same.body == b""
    changed = stack.request("PUT", path, {"name": "New"})
    assert stack.request("GET", path, headers={"If-None-Match": room["etag"]}).status == 200
    late = stack.request("PUT", path, {"name": "Late"}, {"If-Match": room["etag"]})
    assert late.status == 412 and late.json["code"] == "room_changed"
    assert stack.request("GET", path).json["name"] == changed.json["name"] == "New"
    late = stack.request("DELETE", path, None, {"If-Match": room["etag"]})
    assert late.status == 412 and late.json["code"] == "room_changed"
    assert stack.request("DELETE", path, None, {"If-Match": changed.headers["ETag"]}).status == 204
    for etag in (changed.headers["ETag"], "*"):
        assert stack.request("DELETE", path, None, {"If-Match": etag}).status == 404


def test_pages_of_the_list_follow_their_cursor(stack: Stack) -> None:
    made = {stack.request("POST", ROOMS, {}).json["room_id"] for _ in range(7)}
    seen: list[str] = []
    for page in pages(lambda at: stack.request("GET", at), f"{ROOMS}?limit=3"):
        assert len(page["items"]) <= 3
        seen += [item["room_id"] for item in page["items"]]
    assert len(seen) == len(set(seen)) and made <= set(seen)
    for query in ("limit=0", "limit=201", "limit=x", "cursor=nonsense"):
        assert stack.request("GET", f"{ROOMS}?{query}").status == 400


def test_rooms_are_listed_by_name_mode_and_lock(stack: Stack) -> None:
    for name, more in (("Board games", {}), ("board meeting", {"locked": True}), ("Boat%", {"mode": "mesh"})):
        assert stack.request("POST", ROOMS, {"name": name, **more}).status == 201

    def names(query: str) -> list[str]:
        return [item["name"] for item in stack.request("GET", f"{ROOMS}?{query}").json["items"]]

    assert sorted(names("name=BOARD")) == ["Board games", "board meeting"]
    assert names("name=boa&limit=1") == names("name=boa")[:1]
    assert names("name=%25") == names("name=_oa") == []
    assert names("name=boa&locked=true") == ["board meeting"]
    assert names("name=boa&locked=false&mode=mesh") == ["Boat%"]
    for query, field in (("mode=odd", "mode"), ("locked=perhaps", "locked")):
        answer = stack.request("GET", f"{ROOMS}?{query}")
        assert answer.status == 400 and answer.fields == [f"/{field}"]


def test_a_name_that_looks_like_a_query_is_not_taken_for_one(stack: Stack) -> None:
    """Pages are kept by what was asked; and nobody may choose what another who asks is told."""
    assert stack.request("POST", ROOMS, {"name": "cached", "mode": "mesh"}).status == 201
    assert stack.request("GET", f"{ROOMS}?name=cach%26mode=mesh").json["items"] == []
    assert stack.request("GET", f"{ROOMS}?name=cach%26mode%3Dmesh").json["items"] == []
    assert len(stack.request("GET", f"{ROOMS}?name=cach&mode=mesh").json["items"]) == 1


def test_a_page_goes_on_though_rooms_come_and_go(stack: Stack) -> None:
    def make(name: str) -> tuple[int, str]:
        room = stack.request("POST", ROOMS, {"name": name}).json
        return room["created_at"], room["room_id"]

    made = [room_id for _, room_id in sorted(make(f"stable{number}") for number in range(6))]  # as listed: by time, then id
    first = stack.request("GET", f"{ROOMS}?name=stable&limit=2").json
    for room_id in (made[1], made[2]):  # the one that the cursor names, and one behind it
        assert stack.request("DELETE", f"{ROOMS}/{room_id}").status == 204
    _, late = make("stable late")
    rest = stack.request("GET", f"{ROOMS}?name=stable&cursor={first['next']}").json
    assert [item["room_id"] for item in first["items"]] == made[:2]
    assert [item["room_id"] for item in rest["items"]] == [*made[3:], late] and rest["next"] is None


def test_participants_are_counted_by_realtimed(stack: Stack, room: dict) -> None:
    people = [{"peer_id": "p1", "user_id": "u", "name": "N", "kind": "call"}, {"peer_id": "p2"}]
    stack.realtimed.answers[fake_bus.ROOM_OCCUPANCY] = lambda _: {
        "rooms": {room["room_id"]: {"participants": people}}}
    try:
        path = f"{ROOMS}/{room['room_id']}"
        wait_until(lambda: stack.request("GET", path).json["participants"] == 2)
        assert stack.request("GET", path + "/participants").json == {"items": people, "total": 2}
        connections = stack.request("GET", "/realtime/webrtc/connections").json
        assert connections["total"] == 2
        assert connections["connections"][0]["room_id"] == room["room_id"]
        # Who has come does not make a writer's tag old, but a reader's.
        assert stack.request("GET", path, headers={"If-None-Match": room["etag"]}).status == 200
        assert stack.request("PUT", path, {"locked": False},
                             {"If-Match": room["etag"]}).status == 200
    finally:
        stack.realtimed.answers[fake_bus.ROOM_OCCUPANCY] = lambda _: {"rooms": {}}


def test_an_admin_sees_rooms_with_sqlite3(stack: Stack, room: dict) -> None:
    shown = subprocess.run(["sqlite3", str(stack.database),
                            f"SELECT name FROM rooms WHERE room_id = '{room['room_id']}'"],
                           capture_output=True, text=True, check=True)
    assert shown.stdout == "A room\n"
    with sqlite3.connect(stack.database) as admin:
        assert admin.execute("PRAGMA journal_mode").fetchone() == ("wal",)


# ---- messages, signals, connections ----


def test_a_message_reaches_the_bus_as_it_was_sent(stack: Stack) -> None:
    stack.realtimed.answers[fake_bus.PUBLISH] = lambda body: {
        "message_id": "m1", "channel": body.get("channel", "*"), "offset": 4, "epoch": "e",
        "delivered_to": 2}
    sent = stack.request("POST", "/realtime/send", {
        "channel": "chat", "data": {"text": "héllo"}, "persistent": True, "ttl": 60})
    assert sent.status == 201
    assert sent.json == {"message_id": "m1", "channel": "chat", "offset": 4, "epoch": "e",
                         "delivered_to": 2}
    assert stack.realtimed.bodies_of(fake_bus.PUBLISH)[-1] == {
        "channel": "chat", "data": {"text": "héllo"}, "persistent": True, "ttl": 60}

    assert stack.request("POST", "/realtime/send", {"text": "hi"}).json["channel"] == "general"
    assert stack.request("POST", "/realtime/broadcast", {"message": "all"}).status == 201
    assert stack.realtimed.bodies_of(fake_bus.PUBLISH)[-1] == {"broadcast": True, "data": "all"}


def test_what_realtimed_refuses_is_told_with_its_field(stack: Stack) -> None:
    def refuse(_: dict) -> dict:
        raise fake_bus.Refusal(2, "peer_not_found", "there is no peer x", "sender_peer_id")

    stack.realtimed.answers[fake_bus.SIGNAL] = refuse
    answer = stack.request("POST", "/realtime/webrtc/signal", {
        "signal_type": "bye", "room_id": "r", "sender_peer_id": "x"})
    assert answer.status == 404
    assert answer.json["code"] == "peer_not_found" and answer.fields == ["/sender_peer_id"]
    stack.realtimed.answers[fake_bus.SIGNAL] = lambda _: {}
    assert stack.request("POST", "/realtime/webrtc/signal", {
        "signal_type": "bye", "room_id": "r", "sender_peer_id": "x"}).status == 202
    assert stack.request("POST", "/realtime/webrtc/signal", {
        "signal_type": "sing", "room_id": "r", "sender_peer_id": "x"}).fields == ["/signal_type"]


def test_connections_have_a_total(stack: Stack) -> None:
    stack.realtimed.answers[fake_bus.CONNECTIONS] = lambda _: {
        "connections": [{"connection_id": "c1"}], "total": 1}
    assert stack.request("GET", "/realtime/connections").json["total"] == 1


# ---- WHIP and WHEP ----


def test_whip_starts_and_ends_a_session(stack: Stack, room: dict) -> None:
    stack.realtimed.answers[fake_bus.HTTP_SESSION_START] = lambda body: {
        "session_id": "p_1", "sdp": f"v=0\r\ns={body['kind']}\r\n", "ice_session": "first+"}
    stack.realtimed.answers[fake_bus.HTTP_SESSION_END] = lambda _: {}
    path = f"{ROOMS}/{room['room_id']}"
    sdp = {"Content-Type": "application/sdp"}

    whip = stack.request("POST", path + "/whip", "v=0\r\n", sdp)
    assert whip.status == 201 and whip.body == b"v=0\r\ns=whip\r\n"
    assert whip.headers["Content-Type"] == "application/sdp"
    assert whip.headers["Location"] == path + "/whip/p_1"
    whep = stack.request("POST", path + "/whep?publisher=a&publisher=b", "v=0\r\n", sdp)
    assert whep.status == 201 and whep.headers["Location"] == path + "/whep/p_1"
    asked = stack.realtimed.bodies_of(fake_bus.HTTP_SESSION_START)
    assert asked[-2] == {"room_id": room["room_id"], "kind": "whip", "sdp": "v=0\r\n",
                         "user_id": "", "name": "", "address": "127.0.0.1"}
    assert asked[-1]["publishers"] == ["a", "b"]

    assert whip.headers["ETag"] == '"first+"'
    assert stack.request("DELETE", whip.headers["Location"]).status == 204
    assert stack.realtimed.bodies_of(fake_bus.HTTP_SESSION_END)[-1] == {
        "room_id": room["room_id"], "session_id": "p_1",
        "caller": {"user_id": "", "is_moderator": True}}


def test_ice_of_a_session_is_patched(stack: Stack, room: dict) -> None:
    place = f"{ROOMS}/{room['room_id']}/whip/p_1"
    trickle = {"Content-Type": "application/trickle-ice-sdpfrag"}
    fragment = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    restarted = {"ice_session": "second", "sdp_fragment": "a=ice-ufrag:second\r\n"}

    def asked() -> dict:
        return stack.realtimed.bodies_of(fake_bus.HTTP_SESSION_ICE)[-1]

    stack.realtimed.answers[fake_bus.HTTP_SESSION_ICE] = lambda _: {"ice_session": "first"}
    heard = stack.request("PATCH", place, fragment, {**trickle, "If-Match": '"first", W/"other"'})
    assert heard.status == 204 and heard.body == b"" and "ETag" not in heard.headers
    assert asked() == {"room_id": room["room_id"], "session_id": "p_1", "sdp_fragment": fragment,
                       "ice_sessions": ["first", "other"], "caller": {"user_id": "", "is_moderator": True}}

    stack.realtimed.answers[fake_bus.HTTP_SESSION_ICE] = lambda _: restarted
    answer = stack.request("PATCH", place, fragment, {**trickle, "If-Match": "*"})
    assert answer.status == 200 and answer.body.decode() == restarted["sdp_fragment"]
    assert answer.headers["ETag"] == '"second"' and "ice_sessions" not in asked()
    assert answer.headers["Content-Type"] == trickle["Content-Type"]

    for headers, body, status, code in (
            (trickle, fragment, 428, "precondition_required"),
            ({**trickle, "If-Match": "*"}, "", 400, "bad_sdp_fragment"),
            ({**trickle, "If-Match": "*"}, "a=x\0", 400, "bad_sdp_fragment"),
            ({**trickle, "If-Match": "*"}, b"a=\xff", 400, "bad_sdp_fragment"),
            ({"Content-Type": "application/sdp", "If-Match": "*"}, fragment, 415, "unsupported_media_type")):
        refused = stack.request("PATCH", place, body, headers)
        assert (refused.status, refused.json["code"]) == (status, code), refused.body

    def stale(_: dict) -> dict:
        raise fake_bus.Refusal(116, "ice_session_changed", "ICE was restarted since", "If-Match")

    stack.realtimed.answers[fake_bus.HTTP_SESSION_ICE] = stale
    refused = stack.request("PATCH", place, fragment, {**trickle, "If-Match": '"old"'})
    assert (refused.status, refused.json["code"]) == (412, "ice_session_changed")


def test_whip_refuses_what_is_not_a_session(stack: Stack, room: dict) -> None:
    def refuse(_: dict) -> dict:
        raise fake_bus.Refusal(22, "bad_sdp", "the offer has no fingerprint", "sdp")

    stack.realtimed.answers[fake_bus.HTTP_SESSION_START] = refuse
    sdp = {"Content-Type": "application/sdp"}
    path = f"{ROOMS}/{room['room_id']}/whip"
    assert stack.request("POST", path, "v=0", sdp).json["code"] == "bad_sdp"
    assert stack.request("POST", path, "{}").status == 415
    assert stack.request("POST", f"{ROOMS}/nowhere/whip", "v=0", sdp).status == 404
    assert stack.request("POST", path, "x" * 1048577, sdp).status == 413
    options = stack.request("OPTIONS", path)
    assert options.status == 204 and "POST" in options.headers["Allow"]


# ---- bad input ----


@pytest.mark.parametrize("body,pointer", [
    ({"room_id": "a b"}, "/room_id"), ({"room_id": "x" * 129}, "/room_id"),
    ({"name": 5}, "/name"), ({"max_participants": 0}, "/max_participants"),
    ({"mode": "x"}, "/mode"), ({"password": "p "}, "/password"),
    ({"password": "\n"}, "/password"), ({"password": "p" * 129}, "/password"),
    ({"metadata": {"x": "y" * 20000}}, "/metadata"),
])
def test_the_field_at_fault_is_named(stack: Stack, body: dict, pointer: str) -> None:
    answer = stack.request("POST", ROOMS, body)
    assert answer.status in (400, 413)
    assert answer.fields == [pointer]
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"{", b'{"a":1,"a":2}', b"\xff", b"{}x",
                                  b"[" * 100000])
def test_what_is_not_a_json_object_is_refused(stack: Stack, body: bytes) -> None:
    answer = stack.request("POST", ROOMS, body, {"Content-Type": "application/json"})
    assert answer.status == 400 and answer.json["code"] == "bad_json"


@pytest.mark.parametrize("path", ["/realtime//webrtc/rooms", "/realtime/webrtc/rooms/%2e%2e/x",
                                  "/realtime/webrtc/rooms/a%2fb", "/realtime/webrtc/rooms/%",
                                  "/realtime/webrtc/rooms/a%00b", "/realtime/./x"])
def test_odd_paths_are_refused(stack: Stack, path: str) -> None:
    assert stack.request("GET", path).status == 400


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/realtime/connections?user_id=%ff"), ("DELETE", "/realtime/connections?user_id=%c3%28"),
    ("GET", "/realtime/connections/%ff"), ("DELETE", "/realtime/connections/%ed%a0%80"),
    ("DELETE", "/realtime/webrtc/rooms/x/participants/p?reason=%ff"), ("GET", "/realtime/webhooks/%ff")])
def test_what_is_not_utf_8_is_refused(stack: Stack, method: str, path: str) -> None:
    answer = stack.request(method, path)
    assert answer.status == 400 and answer.json["code"] in ("bad_path", "bad_query"), answer.body


def test_too_large_a_body_is_refused_and_the_next_request_served(stack: Stack) -> None:
    for size in (1048577, 20_000_000):
        answer = stack.request("POST", "/realtime/send", b"x" * size,
                               {"Content-Type": "application/json"})
        assert answer.status == 413 and answer.json["code"] == "body_too_big"
    assert stack.request("POST", "/realtime/send", b"x" * 70_000_000).status == 413
    assert stack.request("GET", ROOMS).status == 200


def test_head_and_options_and_unknown_paths(stack: Stack) -> None:
    head = stack.request("HEAD", ROOMS)
    assert head.status == 200 and head.body == b""
    assert stack.request("GET", "/realtime/nowhere").json["code"] == "no_such_path"
    wrong = stack.request("DELETE", ROOMS)
    assert wrong.status == 405 and wrong.headers["Allow"] == "GET, HEAD, POST, OPTIONS"
    assert wrong.headers["Cache-Control"] == "no-store"
    assert wrong.headers["X-Content-Type-Options"] == "nosniff"


def test_a_request_may_name_itself(stack: Stack) -> None:
    assert stack.request("GET", ROOMS, headers={"X-Request-Id": "my-1"}
                         ).headers["X-Request-Id"] == "my-1"


# ---- many and idle clients ----


def test_idle_clients_hold_nobody_up(stack: Stack) -> None:
    idle = []
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=20)
        connection.request("GET", "/health/live")
        connection.getresponse().read()
        idle.append(connection)
    started = time.monotonic()
    for _ in range(20):
        assert stack.request("GET", ROOMS).status == 200
    assert time.monotonic() - started < 5
    for connection in idle:
        connection.close()


def test_many_at_once_are_all_served(stack: Stack) -> None:
    results: list[int] = []

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
        for _ in range(10):
            connection.request("GET", "/realtime/webrtc/rooms?limit=1")
            answer = connection.getresponse()
            answer.read()
            results.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [200] * 600
