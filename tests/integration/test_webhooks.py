"""Webhooks: events that reach their endpoints, signed, whatever dies in between."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from answer import Answer, pages
from bearer import bearer
from conftest import API, wait_until
from guarded_system import System
from realtimed import connect as connect_to
from webhook_receiver import Post, Receiver

ROOMS, HOOKS = "/realtime/webrtc/rooms", "/realtime/webhooks"
OPEN = {"REALTIME_WEBHOOK_ALLOW_HTTP": "true", "REALTIME_WEBHOOK_ALLOW_PRIVATE": "true",
        "REALTIME_WEBHOOK_RETRY_FIRST": "50", "REALTIME_WEBHOOK_TIMEOUT": "1",
        "REALTIME_WEBHOOK_MAX_ATTEMPTS": "4", "WEBRTC_MAX_ROOMS": "10000"}


class Hooks(System):
    def __init__(self, folder: Path, **settings: str) -> None:
        super().__init__(folder, **{**OPEN, **settings})
        self.admin = self.token("root", roles=["admin"])

    def do(self, method: str, path: str, body: object = None) -> Answer:
        return self.ask(method, path, body, self.admin)

    def add(self, url: str, **fields: object) -> dict:
        made = self.do("POST", HOOKS, {"url": url, **fields})
        assert made.status == 201, made.body
        self.remember(made.json["secret"])
        return made.json

    def remove_all(self) -> None:
        for hook in self.do("GET", HOOKS).json["items"]:
            assert self.do("DELETE", f"{HOOKS}/{hook['webhook_id']}").status == 204

    def deliveries(self, hook: dict, query: str = "") -> list[dict]:
        return self.do("GET", f"{HOOKS}/{hook['webhook_id']}/deliveries{query}").json["items"]

    def room(self, **fields: object) -> dict:
        made = self.do("POST", ROOMS, fields)
        assert made.status == 201, made.body
        return made.json

    def send(self, channel: str, data: object = 1, **fields: object) -> dict:
        sent = self.do("POST", "/realtime/send", {"channel": channel, "data": data, "persistent": True, **fields})
        assert sent.status == 201, sent.body
        return sent.json

    def up_again(self) -> None:
        self.stack.wait_until_up()
        wait_until(lambda: self.ask("GET", "/realtime/health").status == 200)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Hooks]:
    system = Hooks(folder, **settings)
    try:
        system.up_again()
        yield system
    finally:
        system.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    with running(tmp_path_factory.mktemp("webhooks")) as system:
        yield system


@pytest.fixture
def system(shared: Hooks) -> Iterator[Hooks]:
    yield shared
    shared.remove_all()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def arrived(receiver: Receiver, count: int, timeout_s: float = 10) -> list[Post]:
    wait_until(lambda: len(receiver.posts) >= count, timeout_s)
    return receiver.posts


# ---- what is told ----


def test_nothing_is_so_deep_that_the_rest_does_not_get_through(system: Hooks, receiver: Receiver) -> None:
    """Two levels more than SQLite reads, once they are inside of an event."""
    hook = system.add(receiver.url)
    for depth in (250, 1998, 1999, 2000):
        data = b"[" * depth + b"]" * depth
        for path, body in (("/realtime/send", b'{"channel": "deep", "persistent": true, "data":' + data + b"}"),
                           (ROOMS, b'{"metadata": {"a":' + data + b"}}"),
                           ("/realtime/notifications/send", b'{"user_id": "ann", "title": "a", "body": "b", "data":' + data + b"}")):
            answer = system.stack.request("POST", path, body, {"Content-Type": "application/json", **bearer(system.admin)})
            assert answer.status == (201 if depth < 256 else 400), (path, depth, answer.body)
    for depth, status in ((250, 201), (300, 400)):
        tagged = system.stack.request("PUT", "/realtime/files?channel=deep&tags=" + '{"a":' * depth + "1" + "}" * depth, b"text",
                                      {"Content-Type": "text/plain", **bearer(system.admin)})
        assert tagged.status == status, (depth, tagged.body)
    system.room(room_id="behind")
    wait_until(lambda: any(post.event["data"].get("room_id") == "behind" for post in receiver.posts))
    assert all(one["body"] for one in system.deliveries(hook))


def test_a_rooms_life_is_told_and_signed(system: Hooks, receiver: Receiver) -> None:
    hook = system.add(receiver.url, events=["room.*"], description="rooms")
    room = system.room(name="Team", metadata={"a": 1})
    path = f"{ROOMS}/{room['room_id']}"
    assert system.do("PUT", path, {"locked": True}).status == 200
    assert system.do("DELETE", path).status == 204
    posts = sorted(arrived(receiver, 3), key=lambda post: post.event["sequence"])
    assert [post.event["type"] for post in posts] == ["room.created", "room.updated", "room.deleted"]
    for post in posts:
        assert post.signed_by(hook["secret"]) and len(post.signatures) == 1
        assert not post.signed_by("whsec_" + "A" * 32)
        assert post.event["id"] == post.id and post.event["timestamp"].endswith("Z")
        assert post.headers["content-type"] == "application/json"
        assert post.event["data"]["room_id"] == room["room_id"]
    created, updated, _ = (post.event["data"] for post in posts)
    assert created["name"] == "Team" and created["metadata"] == {"a": 1} and created["locked"] is False
    assert updated["locked"] is True and updated["version"] == 2
    wait_until(lambda: [one["state"] for one in system.deliveries(hook)] == ["delivered"] * 3)
    newest = system.deliveries(hook, "?limit=1")[0]
    assert newest["type"] == "room.deleted" and newest["attempts"] == 1 and newest["response_status"] == 204
    assert newest["body"] == posts[2].event


def test_persistent_messages_are_told_by_channel(system: Hooks, receiver: Receiver) -> None:
    system.add(receiver.url, events=["message.persisted"], channels=["chat_*", "news"])
    sent = system.send("chat_1", {"text": "héllo"}, tags={"a": "b"})
    system.send("other")
    system.send("news")
    system.do("POST", "/realtime/send", {"channel": "news", "data": "not kept"})
    system.do("POST", "/realtime/binary/send", {"channel": "chat_1", "binary_data": "aGVsbG8=", "persistent": True,
                                                "content_type": "text/plain"})
    system.room()
    time.sleep(0.5)
    events = {post.event["data"]["message_id"]: post.event["data"] for post in arrived(receiver, 3)}
    assert len(events) == len(receiver.posts) == 3
    assert sorted(event["channel"] for event in events.values()) == ["chat_1", "chat_1", "news"]
    first = events[sent["message_id"]]
    assert first["data"] == {"text": "héllo"} and first["tags"] == {"a": "b"} and first["sender"] == "root"
    assert (first["offset"], first["epoch"]) == (sent["offset"], sent["epoch"])
    binary = next(event for event in events.values() if event["type"] == "binary")
    assert binary["size"] == 5 and binary["content_type"] == "text/plain" and binary["data"] is None


def test_files_are_told(system: Hooks, receiver: Receiver) -> None:
    system.add(receiver.url, events=["upload.*"])
    put = system.stack.request("PUT", "/realtime/files?filename=a.txt", b"hello", {
        "Authorization": f"Bearer {system.admin}", "Content-Type": "text/plain"})
    assert put.status == 201, put.body
    file_id = put.json["file_id"]
    assert system.do("DELETE", f"/realtime/files/{file_id}").status == 204
    posts = sorted(arrived(receiver, 2), key=lambda post: post.event["sequence"])
    assert [post.event["type"] for post in posts] == ["upload.completed", "upload.deleted"]
    data = posts[1].event["data"]
    assert data["file_id"] == file_id and data["size"] == 5 and data["user_id"] == "root"
    assert data["reason"] == "deleted" and data["url"] == f"/realtime/files/{file_id}"


def test_who_joins_and_leaves_is_told(system: Hooks, receiver: Receiver) -> None:
    system.add(receiver.url, events=["participant.*"], rooms=["meet*"])
    for room_id in ("meet1", "else"):
        system.room(room_id=room_id, mode="mesh")

    async def join(room_id: str) -> None:
        async with connect_to(system, f"/realtime/webrtc/signaling?room_id={room_id}&name=Ann&token={system.admin}") as client:
            await client.hear("joined")

    asyncio.run(join("else"))
    asyncio.run(join("meet1"))
    posts = sorted(arrived(receiver, 2), key=lambda post: post.event["sequence"])
    assert [post.event["type"] for post in posts] == ["participant.joined", "participant.left"]
    joined, left = (post.event["data"] for post in posts)
    assert joined["room_id"] == "meet1" and joined["user_id"] == "root" and joined["name"] == "Ann"
    assert joined["left_at"] is None and left["left_at"] >= joined["joined_at"] and left["reason"]


# ---- managing them ----


def test_a_webhook_is_managed_by_admins_and_its_secret_shown_once(system: Hooks, receiver: Receiver) -> None:
    assert system.ask("GET", HOOKS).status == 401
    assert system.ask("POST", HOOKS, {"url": receiver.url}, system.token("ann")).status == 403
    hook = system.add(receiver.url, events=["room.*"])
    path = f"{HOOKS}/{hook['webhook_id']}"
    assert hook["secret"].startswith("whsec_") and hook["channels"] == hook["rooms"] == ["*"]
    for answer in (system.do("GET", path), system.do("GET", HOOKS), system.do("PATCH", path, {"description": "d"})):
        assert answer.status == 200 and b"whsec_" not in answer.body
    read = system.do("GET", path).json
    assert read["description"] == "d" and read["events"] == ["room.*"] and read["state"] == "active"
    assert read["deliveries"] == {"pending": 0, "delivered": 0, "failed": 0}
    assert system.do("PATCH", path, {"enabled": False}).json["state"] == "disabled"
    system.room()
    assert system.do("PATCH", path, {"enabled": True}).json["state"] == "active"
    system.room(name="told")
    assert arrived(receiver, 1)[0].event["data"]["name"] == "told"
    assert system.do("DELETE", path).status == 204
    for method, more in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries"),
                         ("POST", "/deliveries/1/retry"), ("POST", "/rotate-secret")):
        answer = system.do(method, path + more, {} if method in ("PATCH", "POST") else None)
        assert answer.status == 404 and answer.json["code"] == "webhook_not_found", (method, more)


@pytest.mark.parametrize(("field", "body"), [
    ("url", {}),
    ("url", {"url": "ftp://example.org"}),
    ("url", {"url": "https://user:pass@example.org"}),
    ("url", {"url": "https://example.org/" + "x" * 2048}),
    ("events", {"url": "https://example.org", "events": []}),
    ("events", {"url": "https://example.org", "events": ["room"]}),
    ("events", {"url": "https://example.org", "events": "room.*"}),
    ("channels", {"url": "https://example.org", "channels": [1]}),
    ("rooms", {"url": "https://example.org", "rooms": ["x"] * 51}),
    ("secret", {"url": "https://example.org", "secret": "whsec_short"}),
    ("enabled", {"url": "https://example.org", "enabled": "yes"}),
    ("description", {"url": "https://example.org", "description": "x" * 201}),
])
def test_what_is_wrong_is_named(system: Hooks, field: str, body: dict) -> None:
    answer = system.do("POST", HOOKS, body)
    assert answer.status == 400 and answer.fields == [f"/{field}"]
    assert "pass" not in answer.json["detail"] or field == "secret"


def test_bad_cursors_and_states_are_named(system: Hooks, receiver: Receiver) -> None:
    hook = system.add(receiver.url)
    for query, field in (("cursor=x", "cursor"), ("cursor=-1", "cursor"), ("limit=0", "limit"), ("state=odd", "state")):
        answer = system.do("GET", f"{HOOKS}/{hook['webhook_id']}/deliveries?{query}")
        assert answer.status == 400 and answer.fields == [f"/{field}"]


def test_deliveries_are_paged_and_filtered(system: Hooks, receiver: Receiver) -> None:
    receiver.answer = lambda post: 500 if post.event["data"]["name"] == "bad" else 200
    hook = system.add(receiver.url, events=["room.created"])
    for number in range(5):
        system.room(name=f"good{number}")
    system.room(name="bad")
    wait_until(lambda: len(system.deliveries(hook, "?state=failed")) == 1)
    wait_until(lambda: len(system.deliveries(hook, "?state=delivered")) == 5)
    listed = pages(lambda at: system.do("GET", at), f"{HOOKS}/{hook['webhook_id']}/deliveries?limit=2")
    names = [item["body"]["data"]["name"] for page in listed for item in page["items"]]
    assert names == ["bad", "good4", "good3", "good2", "good1", "good0"]


def test_a_test_event_goes_to_its_endpoint_alone(system: Hooks, receiver: Receiver) -> None:
    hook, other = system.add(receiver.url + "/a", events=["room.created"]), system.add(receiver.url + "/b")
    answer = system.do("POST", f"{HOOKS}/{hook['webhook_id']}/test")
    assert answer.status == 202
    post = arrived(receiver, 1)[0]
    assert post.event["type"] == "webhook.test" and post.path == "/hook/a" and post.signed_by(hook["secret"])
    wait_until(lambda: system.deliveries(hook)[0]["state"] == "delivered")
    assert system.deliveries(hook)[0]["delivery_id"] == answer.json["delivery_id"]
    assert system.deliveries(other) == []


def test_a_secret_is_changed_without_a_gap(system: Hooks, receiver: Receiver) -> None:
    hook = system.add(receiver.url, events=["room.created"])
    path = f"{HOOKS}/{hook['webhook_id']}"
    rotated = system.do("POST", path + "/rotate-secret", {"overlap": 2})
    assert rotated.status == 200 and rotated.json["secret"] != hook["secret"]
    new = system.remember(rotated.json["secret"])
    system.room()
    both = arrived(receiver, 1)[0]
    assert len(both.signatures) == 2 and both.signed_by(new) and both.signed_by(hook["secret"])
    time.sleep(2.1)
    system.room()
    after = arrived(receiver, 2)[1]
    assert after.signed_by(new) and not after.signed_by(hook["secret"]) and len(after.signatures) == 1
    assert system.do("GET", path).json["old_secret_until"] is None
    assert system.do("POST", path + "/rotate-secret", {"overlap": -1}).fields == ["/overlap"]
    own = "whsec_" + "QUJD" * 8
    assert system.do("POST", path + "/rotate-secret", {"overlap": 0, "secret": own}).json["secret"] == own
    system.room()
    last = arrived(receiver, 3)[2]
    assert last.signed_by(own) and len(last.signatures) == 1


# ---- endpoints that fail ----


def test_a_failed_attempt_is_made_again_with_the_same_id(system: Hooks, receiver: Receiver) -> None:
    receiver.answer = lambda _: 500 if len(receiver.posts) < 3 else 200
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    posts = arrived(receiver, 3)
    assert len({post.id for post in posts}) == len({post.body for post in posts}) == 1
    assert all(post.signed_by(hook["secret"]) for post in posts)
    wait_until(lambda: system.deliveries(hook)[0]["state"] == "delivered")
    assert system.deliveries(hook)[0]["attempts"] == 3
    assert system.do("GET", f"{HOOKS}/{hook['webhook_id']}").json["failures_in_row"] == 0


def test_what_fails_too_often_is_kept_and_can_be_asked_for(system: Hooks, receiver: Receiver) -> None:
    receiver.answer = lambda _: 400
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    wait_until(lambda: [one["state"] for one in system.deliveries(hook)] == ["failed"])
    failed = system.deliveries(hook)[0]
    assert failed["attempts"] == 4 == len(receiver.posts) and failed["error"] == "answered 400"
    assert failed["response_status"] == 400 and failed["next_attempt_at"] is None
    receiver.answer = lambda _: 200
    path = f"{HOOKS}/{hook['webhook_id']}/deliveries/"
    assert system.do("POST", f"{path}{failed['delivery_id']}/retry").status == 202
    wait_until(lambda: system.deliveries(hook)[0]["state"] == "delivered")
    assert receiver.posts[-1].id == receiver.posts[0].id
    assert system.do("POST", f"{path}999999/retry").json["code"] == "delivery_not_found"
    assert system.do("POST", f"{path}x/retry").status == 400
    metrics = system.do("GET", "/metrics").body.decode()
    assert 'realtime_webhook_attempts_total{outcome="failed"}' in metrics and "realtime_webhook_pending 0" in metrics


def test_a_dead_endpoint_holds_up_nobody(system: Hooks, receiver: Receiver) -> None:
    with socket.socket() as silent:  # takes connections, never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        dead = system.add(f"http://127.0.0.1:{silent.getsockname()[1]}/", events=["room.created"])
        refusing = system.add("http://127.0.0.1:1/", events=["room.created"])
        good = system.add(receiver.url, events=["room.created"])
        began = time.monotonic()
        for number in range(20):
            system.room(name=f"r{number}")
        posts = arrived(receiver, 20)
        assert time.monotonic() - began < 5
        assert {post.event["data"]["name"] for post in posts} == {f"r{number}" for number in range(20)}
        wait_until(lambda: all(one["state"] == "delivered" for one in system.deliveries(good)))
        wait_until(lambda: any(one["error"] for one in system.deliveries(dead)))
        assert any("imeout" in (one["error"] or "") for one in system.deliveries(dead))
        assert any("connect" in (one["error"] or "") for one in system.deliveries(refusing))
        # It is left alone for a while rather than asked for each event.
        assert sum(one["attempts"] for one in system.deliveries(refusing)) < 20
        assert system.do("GET", f"{HOOKS}/{refusing['webhook_id']}").json["failures_in_row"] > 0


def test_an_endpoint_that_is_gone_is_disabled(system: Hooks, receiver: Receiver) -> None:
    receiver.answer = lambda _: 410
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    wait_until(lambda: system.do("GET", f"{HOOKS}/{hook['webhook_id']}").json["state"] == "disabled")
    assert system.deliveries(hook)[0]["state"] == "failed"


def test_an_answer_that_never_ends_is_cut_off(system: Hooks) -> None:
    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"x" * 65536)
            except OSError:
                pass

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        hook = system.add(f"http://127.0.0.1:{listener.getsockname()[1]}/", events=["room.created"])
        system.room()
        wait_until(lambda: [one["state"] for one in system.deliveries(hook)] == ["delivered"])


# ---- where they may lead ----


def test_redirects_are_not_followed(system: Hooks, receiver: Receiver) -> None:
    other = Receiver()
    receiver.answer = lambda _: (302, {"Location": other.url})
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    wait_until(lambda: [one["state"] for one in system.deliveries(hook)] == ["failed"])
    assert "redirects are not followed" in system.deliveries(hook)[0]["error"] and not other.posts
    other.close()


def test_a_name_that_leads_to_this_host_is_refused_when_it_is_connected_to(tmp_path: Path, receiver: Receiver) -> None:
    port = receiver.url.split(":")[2].split("/")[0]
    with running(tmp_path, REALTIME_WEBHOOK_ALLOW_PRIVATE="false") as system:
        for url in ("http://127.0.0.1/", "http://[::1]/", "http://2130706433/", "http://169.254.169.254/"):
            assert system.do("POST", HOOKS, {"url": url}).fields == ["/url"]
        hook = system.add(f"http://localhost:{port}/", events=["room.created"])
        system.room()
        wait_until(lambda: [one["state"] for one in system.deliveries(hook)] == ["failed"])
        assert "private address" in system.deliveries(hook)[0]["error"] and not receiver.posts


def test_http_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    with running(tmp_path, REALTIME_WEBHOOK_ALLOW_HTTP="false") as system:
        answer = system.do("POST", HOOKS, {"url": "http://example.org/"})
        assert answer.fields == ["/url"] and "REALTIME_WEBHOOK_ALLOW_HTTP" in answer.json["detail"]
        assert system.do("POST", HOOKS, {"url": "https://example.org/"}).status == 201


def test_a_certificate_must_be_of_an_authority_that_is_known(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-keyout", str(key),
                    "-out", str(certificate)], check=True, capture_output=True)
    receiver = Receiver()
    receiver.speak_tls(certificate, key)
    url = receiver.url.replace("http://127.0.0.1", "https://localhost")
    for ca_file, state in (("", "failed"), (str(certificate), "delivered")):
        folder = tmp_path / state
        folder.mkdir()
        # Reading every authority takes a sanitized build a while: time is not what is tested here.
        with running(folder, REALTIME_WEBHOOK_CA_FILE=ca_file, REALTIME_WEBHOOK_TIMEOUT="10") as system:
            hook = system.add(url, events=["room.created"])
            system.room()
            wait_until(lambda system=system, hook=hook, state=state:
                       [one["state"] for one in system.deliveries(hook)] == [state])
            assert state == "delivered" or "certificate" in system.deliveries(hook)[0]["error"]
    assert len(receiver.posts) == 1
    receiver.close()


# ---- what dies in between ----


def kill_api(system: Hooks) -> None:
    system.stack.stop("api", signal.SIGKILL)


def test_what_happened_while_the_api_was_dead_is_told_afterwards(system: Hooks, receiver: Receiver) -> None:
    system.add(receiver.url, events=["message.persisted"])
    kill_api(system)

    async def publish() -> None:
        async with connect_to(system, f"/realtime/ws?token={system.admin}") as client:
            await client.hear("welcome")
            for number in range(5):
                await client.say(type="message", channel="dead", data=number, persistent=True, id=number)
                await client.hear("ack")

    asyncio.run(publish())
    system.daemon.kill()  # acknowledged, so it is on the disk with its events
    system.daemon.start()
    system.stack.start_api()
    system.up_again()
    assert sorted(post.event["data"]["data"] for post in arrived(receiver, 5)) == [0, 1, 2, 3, 4]


def test_a_room_made_just_before_a_kill_is_told(system: Hooks, receiver: Receiver) -> None:
    system.add(receiver.url, events=["room.created"])
    made = set()
    for number in range(6):
        made.add(system.room(name=f"k{number}")["room_id"])
        kill_api(system)
        system.stack.start_api()
        system.up_again()
    wait_until(lambda: {post.event["data"]["room_id"] for post in receiver.posts} == made, 20)


def test_a_post_that_died_under_way_is_made_again(system: Hooks, receiver: Receiver) -> None:
    go = threading.Event()

    def slow(_: Post) -> int:
        go.wait(5)
        return 200

    receiver.answer = slow
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    arrived(receiver, 1)
    kill_api(system)
    go.set()
    system.stack.start_api()
    system.up_again()
    posts = arrived(receiver, 2, 15)  # once the lease of the dead one is over
    assert posts[0].id == posts[1].id and posts[1].signed_by(hook["secret"])
    wait_until(lambda: system.deliveries(hook)[0]["state"] == "delivered")


def test_retries_go_on_after_a_restart(system: Hooks, receiver: Receiver) -> None:
    receiver.answer = lambda _: 503
    hook = system.add(receiver.url, events=["room.created"])
    system.room()
    arrived(receiver, 1)
    system.stack.stop("api")
    receiver.answer = lambda _: 200
    system.stack.start_api()
    system.up_again()
    wait_until(lambda: system.deliveries(hook)[0]["state"] == "delivered", 20)
    assert len({post.id for post in receiver.posts}) == 1


def test_two_processes_do_not_post_the_same(system: Hooks, receiver: Receiver) -> None:
    hook = system.add(receiver.url, events=["room.created"])
    env = {**system.stack.env, "REALTIME_DATABASE": str(system.stack.database),
           "REALTIME_DATA_DIR": str(system.stack.folder), "REALTIME_BUS": system.daemon.bus,
           "REALTIME_SFU_CONTROL": str(system.stack.folder / "none.sock"),
           "REALTIME_API_LISTEN": f"fastcgi:unix:{system.stack.folder / 'run' / 'second.sock'}"}
    with (system.stack.folder / "second.log").open("wb") as log:
        second = subprocess.Popen([str(API)], env=env, stderr=log)
    try:
        for number in range(60):
            system.room(name=f"two{number}")
        arrived(receiver, 60)
        wait_until(lambda: system.do("GET", f"{HOOKS}/{hook['webhook_id']}").json["deliveries"]["delivered"] == 60)
        assert len({post.id for post in receiver.posts}) == len(receiver.posts) == 60
    finally:
        second.terminate()
        assert second.wait(10) == 0, (system.stack.folder / "second.log").read_text()


def test_no_secret_is_in_any_log(shared: Hooks) -> None:
    shared.stack.stop("api")
    shared.stack.start_api()
    shared.up_again()
    for name, text in shared.logs().items():
        for secret in shared.secrets:
            if secret.startswith("whsec_"):
                assert secret not in text and secret[6:] not in text, name
