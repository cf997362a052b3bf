"""Every operation of the OpenAPI document, and every status that it says: some request here has each, and each answer is what
the document says. A new operation needs an entry in PRODUCERS for what is its own; refusals that all have are made for it."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contract_calls  # noqa: F401 - adds to PRODUCERS
import pytest
from bearer import bearer
from contract import Operation, bad_texts
from contract_producers import PRODUCERS, Producer, begin, piece
from contract_world import BODY_MAX, CONTRACT, FILE_MAX, FORM, SDP, TRICKLE, WEBHOOK, Sfu, World
from form import a_file, form
from samples import PNG

OURS = [operation for operation in CONTRACT.operations.values() if operation.is_ours]
JSON = [operation for operation in OURS if CONTRACT.takes_json(operation)]
IDS = {"ids": lambda value: getattr(value, "id", value)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("contract"))
    sfu = Sfu(made.system.daemon.bus)
    made.ask("roomCreate", body={"room_id": "team"}, credential="ann")
    made.system.sql("INSERT INTO webhooks (webhook_id, url, events, channels, rooms, kinds, enabled, secret, created_at, updated_at)"
                    " VALUES (?, 'https://localhost:1/', '[\"*\"]', '[\"*\"]', '[\"*\"]', 15, 0, 'whsec_x', 1, 1)", WEBHOOK)
    try:
        yield made
    finally:
        sfu.close()
        made.stop()


# ---- what is an operation's own ----


@pytest.mark.parametrize("producer", list({id(one): one for one in PRODUCERS.values()}.values()),
                         ids=lambda one: next(f"{name}-{status}" for (name, status), it in PRODUCERS.items() if it is one))
def test_what_is_its_own(world: World, producer: Producer) -> None:
    producer(world)
    for (name, status), it in PRODUCERS.items():
        if it is producer:
            assert (name, status) in CONTRACT.seen, f"{name} did not answer {status}"


# ---- what all have ----


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_wrong_key_is_refused_everywhere(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, credential="rtk_wrong")
    assert answer.status == 401 and (operation.method == "HEAD" or answer.json["code"] == "bad_api_key")


@pytest.mark.parametrize("operation", [one for one in OURS if one.spec["x-access"] in ("publish", "admin")], **IDS)
def test_who_shows_nothing_is_refused(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, credential=None)
    assert answer.status == 401 and answer.json["code"] == "authentication_required"
    assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("operation", [one for one in OURS if one.method not in ("GET", "HEAD", "OPTIONS")], **IDS)
def test_a_page_of_another_site_changes_nothing(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, Origin="https://evil.example")
    assert answer.status == 403 and answer.json["code"] == "forbidden_origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_malformed_query_is_refused(world: World, operation: Operation) -> None:
    answer = world.ask(operation.id, query="?a=%zz")
    assert answer.status == 400 and (operation.method == "HEAD" or answer.json["code"] == "bad_query")


@pytest.mark.parametrize("operation", OURS, **IDS)
def test_a_bad_parameter_is_named(world: World, operation: Operation) -> None:
    for place in ("query", "path"):
        for parameter in CONTRACT.parameters(operation, place):
            for bad in bad_texts(CONTRACT.resolve(parameter.get("schema", {}))):
                query = f"?{parameter['name']}={bad.replace(' ', '+')}" if place == "query" else ""
                how = {"path": {parameter["name"]: bad}} if place == "path" else {}
                if operation.id.endswith("Start"):
                    how |= {"body": b"v=0", "Content_Type": SDP}
                elif operation.id.endswith("Patch"):
                    how |= {"body": b"x", "Content_Type": TRICKLE}
                elif CONTRACT.takes_json(operation):
                    how |= {"body": CONTRACT.example(operation)}
                elif operation.id == "fileUpload":
                    how |= {"body": b"text", "Content_Type": "text/plain"}
                elif operation.id == "binaryUpload":
                    how |= {"body": form(a_file(PNG)), "Content_Type": FORM}
                answer = world.ask(operation.id, query=query, **how)
                assert answer.status == 400 and answer.fields == [f"/{parameter['name']}"], (parameter["name"], bad, answer.body)
                assert parameter["name"] in answer.json["detail"]


@pytest.mark.parametrize("operation", JSON, **IDS)
def test_a_bad_field_is_named_with_its_rule(world: World, operation: Operation) -> None:
    for name, body in CONTRACT.bad_bodies(operation):
        answer = world.ask(operation.id, body=body)
        assert answer.status in (400, 413), (name, body, answer.status, answer.body)
        assert answer.fields == [f"/{name}"], (name, body, answer.body)
        assert name in answer.json["errors"][0]["detail"], answer.body


@pytest.mark.parametrize("operation", JSON, **IDS)
@pytest.mark.parametrize(("body", "code"), [
    (b"", "bad_json"), (b"[]", "bad_json"), (b"{", "bad_json"), (b'{"a":1,"a":2}', "bad_json"), (b'{"a":"\xff"}', "bad_json"),
    (b'{"a":"\\u0000"}', "bad_json"), (b'{"a":1e999}', "bad_json"), (b"[" * 60000, "bad_json"),
    (b'{"a":' * 9000 + b"1" + b"}" * 9000, "bad_json"), (b'{"a":' * 257 + b"1" + b"}" * 257, "bad_json"), (b'{"a":99999999999999999999}', "bad_json"), (b"\x1f\x8b\x08" + bytes(9), "bad_json")],
    ids=["empty", "array", "cut", "twice", "bad-utf-8", "nul", "infinite", "deep-arrays", "deep-objects", "too-deep", "huge", "gzip"])
def test_what_is_no_json_object_is_refused(world: World, operation: Operation, body: bytes, code: str) -> None:
    answer = world.ask(operation.id, body=body, Content_Type="application/json")
    assert answer.status == 400 and answer.json["code"] == code


@pytest.mark.parametrize("operation", JSON, **IDS)
def test_another_type_or_too_large_a_body_is_refused(world: World, operation: Operation) -> None:
    assert world.ask(operation.id, body=b"a=b", Content_Type="application/x-www-form-urlencoded").status == 415
    too_large = FILE_MAX * 2 if operation.id.startswith("binary") else BODY_MAX + 1
    assert world.ask(operation.id, body=b"{" + b" " * too_large, Content_Type="application/json").status == 413


@pytest.mark.parametrize("path", sorted({one.path for one in OURS}))
def test_other_methods_are_refused_with_those_that_are_not(world: World, path: str) -> None:
    known = [one for one in OURS if one.path == path]
    methods = {one.method for one in known} | {"OPTIONS"} | ({"HEAD"} if any(one.method == "GET" for one in known) else set())
    for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "TRACK", "PROPFIND"} - methods:
        answer = world.system.stack.request(method, CONTRACT.fill(known[0], {}), b"", bearer(world.admin))
        assert answer.status == 405 and answer.json["code"] == "method_not_allowed", (method, answer.body)
        allowed = answer.headers["Allow"].split(", ")
        assert sorted(allowed) == sorted(methods), (method, allowed)
    options = world.system.stack.request("OPTIONS", CONTRACT.fill(known[0], {}))
    assert options.status == 204


def test_where_calls_are_off_their_paths_are_not_there(tmp_path: Path) -> None:
    world = World(tmp_path, WEBRTC_ENABLED="false")
    try:
        for operation in OURS:
            if "webrtc_disabled" in CONTRACT.codes(operation, 404):
                assert world.ask(operation.id).json["code"] == "webrtc_disabled"
    finally:
        world.stop()


READY: dict[str, dict[str, Any]] = {
    "fileUpload": {"body": b"text", "query": "?channel=general", "Content_Type": "text/plain"},
    "binaryUpload": {"body": form(a_file(PNG)), "query": "?channel=general", "Content_Type": FORM},
    "uploadCreate": {"body": b"", "Upload_Length": "0", "Upload_Metadata": "channel Z2VuZXJhbA==,filetype dGV4dC9wbGFpbg=="},
    "whipStart": {"body": b"v=0", "Content_Type": SDP}, "whepStart": {"body": b"v=0", "Content_Type": SDP},
    "whipPatch": {"body": b"x", "Content_Type": TRICKLE, "If_Match": "*"}, "whepPatch": {"body": b"x", "Content_Type": TRICKLE, "If_Match": "*"},
    "connectionsCloseOfUser": {"query": "?user_id=ann"},
    "banCreate": {"body": {"peer_id": "peer_x"}},
}


def test_without_its_companions_each_says_so(tmp_path: Path) -> None:
    """First realtimed is away, then the API too."""
    world = World(tmp_path)
    try:
        world.ask("roomCreate", body={"room_id": "team"})
        one = begin(world)
        world.system.daemon.stop()
        for operation in OURS:
            if "bus_unavailable" not in CONTRACT.codes(operation, 503) or operation.id in ("uploadPiece", "uploadProgress"):
                continue
            how = READY.get(operation.id) or ({"body": CONTRACT.example(operation)} if CONTRACT.takes_json(operation) else {})
            answer = world.ask(operation.id, **how)
            assert answer.status == 503 and answer.json["code"] == "bus_unavailable", (operation.id, answer.body)
            assert answer.json["retry_after"] == int(answer.headers["Retry-After"])
        assert piece(world, one, b"0123456789").status == 204  # kept without being told of
        assert world.ask("healthRealtimed").status == world.ask("healthSfu").status == 503
        world.system.stack.stop("api")
        for operation in OURS:
            answer = world.ask(operation.id)
            assert answer.status == 503 and answer.headers["Retry-After"] == "1", operation.id
    finally:
        world.stop()


# ---- realtimed's ----


def head_of(world: World, target: str, headers: dict[str, str]) -> str:
    """What an answer that may not end begins with."""
    with socket.create_connection(("127.0.0.1", world.system.stack.port), 10) as connection:
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        return connection.recv(4096).decode("latin-1")


@pytest.mark.parametrize(("query", "headers", "status"), [
    ("", {}, 101), ("", {"Upgrade": ""}, 400), ("token=wrong", {}, 401), ("", {"Origin": "https://evil.example"}, 403)])
@pytest.mark.parametrize("name", ["webSocket", "signaling"])
def test_websockets_are_opened_or_refused(world: World, name: str, query: str, headers: dict[str, str], status: int) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
               "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
    sent = {key: value for key, value in (upgrade | headers).items() if value}
    operation = CONTRACT.operations[name]
    head = head_of(world, f"{operation.path}?room_id=team&{query}", sent)
    assert head.split()[1] == str(status), head
    assert str(status) in operation.spec["responses"]
    CONTRACT.seen.add((name, status))


@pytest.mark.parametrize(("query", "headers", "status"), [
    ("?channel=general", {}, 200), ("?channel=general", {"Last-Event-ID": "farewell"}, 204), ("", {}, 400),
    ("?channel=general&token=wrong", {}, 401), ("?channel=general", {"Origin": "https://evil.example"}, 403)])
def test_event_streams_are_opened_or_refused(world: World, query: str, headers: dict[str, str], status: int) -> None:
    operation = CONTRACT.operations["events"]
    head = head_of(world, f"{operation.path}{query}", headers)
    assert head.split()[1] == str(status), head
    assert status != 200 or "text/event-stream" in head
    CONTRACT.seen.add(("events", status))


def test_without_realtimed_its_paths_answer_503(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.system.daemon.stop()
        for operation in CONTRACT.operations.values():
            if not operation.is_ours:
                answer = world.system.stack.request(operation.method, operation.path)
                CONTRACT.judge(operation, answer)
                assert answer.json["code"] == "realtimed_unavailable"
    finally:
        world.stop()


# ---- the whole ----


def test_examples_are_what_their_schemas_say() -> None:
    for operation in CONTRACT.operations.values():
        bodies = [operation.spec.get("requestBody", {}), *map(CONTRACT.resolve, operation.spec["responses"].values())]
        for content in (body.get("content", {}) for body in bodies):
            for kind, media in content.items():
                examples = [one["value"] for one in media.get("examples", {}).values()]
                for example in examples + ([media["example"]] if "example" in media else []):
                    if "json" in kind:
                        CONTRACT.validate(example, media["schema"], f"{operation.id}: its example")


def test_every_documented_status_was_seen(request: pytest.FixtureRequest) -> None:
    """The last one: what the others have produced."""
    if len(request.session.items) < 400:
        pytest.skip("only some of the tests are run")
    missing = [f"{operation.id} {status}" for operation in CONTRACT.operations.values() for status in operation.statuses
               if (operation.id, status) not in CONTRACT.seen]
    assert not missing, f"documented, and produced by nothing: {missing}"
