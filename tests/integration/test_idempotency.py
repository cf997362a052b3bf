"""Idempotency-Key: a request that comes twice counts once, whoever dies in between."""

from __future__ import annotations

import hashlib
import http.client
import json
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import fake_bus
import pytest
from answer import Answer
from bearer import bearer
from conftest import Stack, wait_until
from guarded_system import System

ROOMS, SEND = "/realtime/webrtc/rooms", "/realtime/send"
SYSTEM = {"WEBRTC_MAX_ROOMS": "10000"}


def post(system: System, path: str, body: object, key: str, user: str = "ann", **headers: str) -> Answer:
    return system.stack.request("POST", path, body, {
        **bearer(system.token(user, roles=["admin"])), "Idempotency-Key": key, **headers})


def lose_answer(system: System, key: str) -> None:
    """As kill -9 leaves it between the effect and its answer."""
    stored = "rest:" + hashlib.sha256(f"ann\0{key}\0".encode()).hexdigest()
    with sqlite3.connect(system.stack.database) as db:
        assert db.execute("UPDATE idempotency_keys SET status = NULL, body = NULL, leased_until = 0 WHERE key = ?",
                          (stored,)).rowcount == 1


def rooms_named(system: System, name: str) -> int:
    with sqlite3.connect(system.stack.database) as db:
        return int(db.execute("SELECT count(*) FROM rooms WHERE name = ?", (name,)).fetchone()[0])


def test_a_room_is_made_once_and_the_answer_given_again(system: System) -> None:
    first = post(system, ROOMS, {"name": "once"}, "k1")
    again = post(system, ROOMS, {"name": "once"}, "k1")
    assert first.status == again.status == 201 and first.body == again.body
    for name in ("Location", "ETag", "Content-Type"):
        assert first.headers[name] == again.headers[name]
    assert first.headers["X-Request-Id"] != again.headers["X-Request-Id"]
    assert "Idempotency-Replayed" not in first.headers and again.headers["Idempotency-Replayed"] == "true"
    assert rooms_named(system, "once") == 1
    # As the draft writes it, in quotes: the same key.
    assert post(system, ROOMS, {"name": "once"}, '"k1"').body == first.body


def test_a_key_with_another_request_is_refused(system: System) -> None:
    assert post(system, ROOMS, {"name": "reused"}, "k2").status == 201
    for path, body in ((ROOMS, {"name": "else"}), (SEND, {"name": "reused"})):
        refused = post(system, path, body, "k2")
        assert refused.status == 422 and refused.json["code"] == "idempotency_key_reused"
        assert refused.fields == ["/Idempotency-Key"]
    assert post(system, ROOMS, {"name": "reused"}, "k2", user="ben").json["room_id"]
    assert rooms_named(system, "reused") == 2  # keys are the caller's own


def test_keys_that_are_none_are_named(system: System) -> None:
    for key in ("", '""', "k" * 256, "tab\there", "caf\u00e9"):
        bad = post(system, ROOMS, {"name": "bad"}, key)
        assert bad.status == 400, key
        assert bad.fields == ["/Idempotency-Key"]
    assert post(system, ROOMS, {"name": "good"}, "k" * 255).status == 201
    assert rooms_named(system, "bad") == 0


def test_what_failed_may_be_asked_again(system: System) -> None:
    assert post(system, ROOMS, {"room_id": "taken"}, "t1").status == 201
    assert post(system, ROOMS, {"room_id": "taken"}, "t2").status == 409
    assert system.ask("DELETE", f"{ROOMS}/taken", credential=system.token("a", roles=["admin"])).status == 204
    assert post(system, ROOMS, {"room_id": "taken"}, "t2").status == 201
    assert post(system, SEND, {"channel": "c"}, "t3").status == 400
    assert post(system, SEND, {"channel": "c", "data": 1}, "t3").status == 201


@pytest.mark.parametrize(("path", "body"), [
    (SEND, {"channel": "idem", "data": {"a": 1}, "persistent": True}),
    ("/realtime/broadcast", {"data": 1}),
    ("/realtime/binary/send", {"channel": "idem", "binary_data": "aGVsbG8=", "content_type": "text/plain"}),
    ("/realtime/binary/text", {"channel": "idem", "text": "hello"}),
    ("/realtime/notifications/send", {"user_id": "ann", "title": "t", "body": "b"}),
    ("/realtime/notifications/channel", {"channel": "idem", "title": "t", "body": "b"}),
    ("/realtime/notifications/broadcast", {"title": "t", "body": "b"}),
])
def test_what_is_sent_is_sent_once(system: System, path: str, body: dict) -> None:
    first = post(system, path, body, "send:" + path)
    again = post(system, path, body, "send:" + path)
    assert first.status == 201, first.body
    assert (again.status, again.body) == (first.status, first.body)
    assert post(system, path, body, "other:" + path).body != first.body


def test_many_at_once_have_one_effect(system: System) -> None:
    def ask(number: int) -> Answer:
        return post(system, ROOMS, {"name": "crowd"}, f"crowd{number % 4}")

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(64)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == rooms_named(system, "crowd") == 4

    def send(number: int) -> Answer:
        while (answer := post(system, SEND, {"channel": "crowd", "data": 1, "persistent": True},
                              f"sent{number % 4}")).status == 409:
            assert answer.json["code"] == "request_in_progress" and answer.headers["Retry-After"]
        return answer

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(64)))
    assert len({answer.json["message_id"] for answer in answers}) == 4
    page = system.ask("GET", "/realtime/channels/crowd/messages", credential=system.token("ann"))
    assert len(page.json["items"]) == 4


def test_an_answer_that_was_lost_with_the_process_is_realtimeds_again(system: System) -> None:
    body = {"channel": "lost", "data": 1, "persistent": True}
    first = post(system, SEND, body, "lost1")
    lose_answer(system, "lost1")
    again = post(system, SEND, body, "lost1")
    assert again.status == 201 and "Idempotency-Replayed" not in again.headers
    assert again.json["message_id"] == first.json["message_id"]
    lose_answer(system, "lost1")
    system.daemon.kill()
    system.daemon.start()
    wait_until(lambda: system.ask("GET", "/realtime/health").status == 200)
    assert post(system, SEND, body, "lost1").json["message_id"] == first.json["message_id"]


def test_nothing_happens_twice_though_the_api_is_killed(system: System) -> None:
    """Rooms are made while realtime-api is killed, and asked for again until there is an answer."""
    stop, answers = threading.Event(), {}
    count = 40

    def insist(number: int) -> None:
        while not stop.is_set():
            try:
                answer = post(system, ROOMS, {"name": "killed"}, f"killed{number}")
            except (OSError, http.client.HTTPException):
                continue
            if answer.status == 201:
                answers[number] = answer.json["room_id"]
                return
            assert answer.status in (502, 503, 504), answer.body

    def kill() -> None:
        for _ in range(5):
            time.sleep(0.1)
            system.stack.stop("api", signal.SIGKILL)
            system.stack.start_api()

    killer = threading.Thread(target=kill)
    killer.start()
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(insist, number) for number in range(count)]
        try:
            for job in jobs:
                job.result(60)
        finally:
            stop.set()
    killer.join()
    system.stack.wait_until_up()
    for number in range(count):  # some once more: what was answered is answered again
        assert post(system, ROOMS, {"name": "killed"}, f"killed{number}").json["room_id"] == answers[number]
    assert rooms_named(system, "killed") == len(set(answers.values())) == count


def test_a_request_that_is_still_served_keeps_others_waiting(own_stack: Stack) -> None:
    go = threading.Event()

    def slow(_body: dict) -> dict:
        go.wait(10)
        return {"message_id": "m", "channel": "c", "offset": 1, "epoch": "e", "delivered_to": 0}

    own_stack.start_api()
    own_stack.start_realtimed({fake_bus.PUBLISH: slow})
    own_stack.start_nginx()
    own_stack.wait_until_up()
    wait_until(lambda: own_stack.request("GET", "/realtime/health").status == 200)

    def ask() -> Answer:
        return own_stack.request("POST", SEND, {"data": 1}, {"Idempotency-Key": "slow"})

    def sent() -> list[dict]:
        return own_stack.realtimed.bodies_of(fake_bus.PUBLISH)

    threading.Thread(target=ask, daemon=True).start()
    wait_until(sent)
    meanwhile = ask()
    assert meanwhile.status == 409 and meanwhile.json["code"] == "request_in_progress"
    assert meanwhile.headers["Retry-After"] == "1"
    own_stack.stop("api", signal.SIGKILL)  # what realtimed makes of it, nobody hears
    go.set()
    own_stack.start_api()
    own_stack.wait_until_up()
    wait_until(lambda: own_stack.request("GET", "/realtime/health").status == 200)
    wait_until(lambda: ask().status == 201, 15)  # once the dead one's lease is over
    assert len({json.dumps(body, sort_keys=True) for body in sent()}) == 1
    assert len(sent()) == 2 and sent()[0]["idempotency_key"].startswith("rest:")
