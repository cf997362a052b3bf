"""Bytes by REST: sent, uploaded, kept, handed out; over the API and realtimed together behind nginx."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from realtimed import connect
from test_auth import System
from test_binary import PNG

INLINE_MAX = 262144
GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\x03abc"


@pytest.fixture(scope="module", params=["fastcgi", "scgi"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    it = System(tmp_path_factory.mktemp("files"), request.param, REALTIME_ANONYMOUS_PUBLISH="true",
                BINARY_MAX_FILE_SIZE="2MiB")
    try:
        yield it
    finally:
        it.stack.stop_all()
        it.daemon.stop()


def files_in(system: System) -> list[Path]:
    folder = system.stack.folder / "files"
    return [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def large_text(size: int) -> str:
    return ("0123456789abcde\n" * (size // 16 + 1))[:size]


async def hear_one(system: System, channel: str, act: object, kind: str = "binary") -> tuple[object, dict]:
    """What `act` returns, and what a subscriber of the channel hears of it."""
    async with connect(system) as client:
        await client.hear("welcome")
        await client.say(type="subscribe", channel=channel)
        await client.hear("subscribed")
        result = await asyncio.to_thread(act)
        return result, await client.hear(kind)


def test_bytes_in_json_arrive_as_the_seed_shows(system: System) -> None:
    body = {"channel": "pictures", "binary_data": base64_of(PNG), "content_type": "image/png", "filename": "dot.png",
            "persistent": True, "tags": {"a": "b"}}
    answer, heard = asyncio.run(hear_one(
        system, "pictures", lambda: system.ask("POST", "/realtime/binary/send", body)))
    assert answer.status == 201, answer.body
    assert heard["type"] == "binary" and base64.b64decode(heard["binary_data"]) == PNG
    assert heard["filename"] == "dot.png" and heard["tags"] == {"a": "b"} and heard["persistent"]
    assert answer.json == {
        "message_id": heard["message_id"], "channel": "pictures", "offset": heard["offset"], "epoch": heard["epoch"],
        "delivered_to": 1, "size": len(PNG), "content_type": "image/png"}


def test_text_as_bytes_as_the_seed_shows(system: System) -> None:
    text = "Это сообщение будет отправлено как бинарные данные"
    answer, heard = asyncio.run(hear_one(
        system, "general", lambda: system.ask("POST", "/realtime/binary/text", {"text": text, "channel": "general"})))
    assert answer.status == 201, answer.body
    assert base64.b64decode(heard["binary_data"]).decode() == text
    assert heard["content_type"] == answer.json["content_type"] == "text/plain; charset=utf-8"
    assert heard["size"] == answer.json["size"] == len(text.encode())


@pytest.mark.parametrize("size", [0, INLINE_MAX, INLINE_MAX + 1, 1_500_000])
def test_many_bytes_are_kept_and_announced(system: System, size: int) -> None:
    text = large_text(size)
    answer, heard = asyncio.run(hear_one(
        system, "c", lambda: system.ask("POST", "/realtime/binary/text", {"text": text, "channel": "c"})))
    assert answer.status == 201, answer.body
    assert heard["size"] == answer.json["size"] == size
    if size <= INLINE_MAX:
        assert base64.b64decode(heard["binary_data"]) == text.encode() and "url" not in answer.json
        return
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert "binary_data" not in heard and heard["url"] == answer.json["url"]
    assert heard["sha256"] == answer.json["sha256"] == digest
    assert (system.stack.folder / "files" / digest[:2] / digest[2:4] / digest).read_bytes() == text.encode()


def test_bytes_for_one_user_and_for_one_connection(system: System) -> None:
    async def run() -> None:
        async with connect(system, "/realtime/ws?token=" + system.token("ann")) as ann:
            connection_id = (await ann.hear("welcome"))["connection_id"]
            for target in ({"user_id": "ann"}, {"connection_id": connection_id}):
                body = {"binary_data": base64_of(PNG), "content_type": "image/png", **target}
                if "user_id" in target:
                    await ann.say(type="subscribe", channel="user_ann")
                    await ann.hear("subscribed")
                answer = await asyncio.to_thread(system.ask, "POST", "/realtime/binary/send", body)
                assert answer.status == 201, answer.body
                assert answer.json["delivered_to"] == 1
                heard = await ann.hear("binary")
                assert base64.b64decode(heard["binary_data"]) == PNG
                assert heard["message_id"] == answer.json["message_id"]

    asyncio.run(run())


@pytest.mark.parametrize("change,status,code", [
    ({"binary_data": "!!!!"}, 400, "bad_base64"),
    ({"binary_data": None}, 400, "bad_field"),
    ({"binary_data": 5}, 400, "bad_field"),
    ({"content_type": "application/zip"}, 415, "type_not_allowed"),
    ({"binary_data": base64_of(GZIP)}, 415, "type_not_allowed"),
    ({"content_type": "image/png\r\nSet-Cookie: a=b"}, 415, "type_not_allowed"),
    ({"filename": "../../etc/passwd"}, 400, "bad_field"),
    ({"filename": "a\r\nb"}, 400, "bad_field"),
    ({"channel": "a\nb"}, 400, "bad_field"),
    ({"user_id": "ann"}, 400, "bad_field"),
    ({"ttl": -1}, 400, "bad_field"),
    ({"binary_data": base64_of(bytes(2 * 1024 * 1024 + 1))}, 413, "file_too_big"),
    ({"binary_data": base64_of(bytes(3 * 1024 * 1024))}, 413, "body_too_big"),
])
def test_what_cannot_be_sent_is_said(system: System, change: dict, status: int, code: str) -> None:
    body = {"channel": "c", "binary_data": base64_of(PNG), "content_type": "image/png", **change}
    before = files_in(system)
    answer = system.ask("POST", "/realtime/binary/send", body)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    if code == "type_not_allowed" and "\r" not in body["content_type"]:
        assert "image/*" in answer.json["detail"]
    assert files_in(system) == before


def test_an_octet_stream_gets_the_type_that_it_has(system: System) -> None:
    body = {"channel": "c", "binary_data": base64_of(PNG), "content_type": "application/octet-stream"}
    answer = system.ask("POST", "/realtime/binary/send", body)
    assert answer.status == 201 and answer.json["content_type"] == "image/png"


def test_sending_again_with_a_key_is_sending_once(system: System) -> None:
    body = {"channel": "c", "binary_data": base64_of(PNG), "content_type": "image/png", "idempotency_key": "k1"}
    first, second = (system.ask("POST", "/realtime/binary/send", body) for _ in range(2))
    assert first.status == second.status == 201
    assert first.json["message_id"] == second.json["message_id"]
