"""Bytes by REST: sent, uploaded, kept, handed out; over the API and realtimed together behind nginx."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Answer, wait_until
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


# ---- uploads ----

BOUNDARY = "----tests7MA4YWxkTrZu0gW"
UPLOAD = "/realtime/binary/upload"


def form(*parts: tuple[str, bytes, str | None, str | None]) -> bytes:
    """multipart/form-data of (name, bytes, filename, content type)."""
    out = b""
    for name, data, filename, content_type in parts:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        out += f'; filename="{filename}"'.encode() if filename is not None else b""
        out += f"\r\nContent-Type: {content_type}".encode() if content_type else b""
        out += b"\r\n\r\n" + data + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def a_file(data: bytes, filename: str = "dot.png", content_type: str | None = "image/png",
           ) -> tuple[str, bytes, str | None, str | None]:
    return "file", data, filename, content_type


def a_field(name: str, value: str) -> tuple[str, bytes, str | None, str | None]:
    return name, value.encode(), None, None


def upload(system: System, *parts: tuple, path: str = UPLOAD, credential: str | None = None) -> Answer:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if credential:
        headers["Authorization"] = f"Bearer {credential}"
    return system.stack.request("POST", path, form(*parts), headers)


def test_the_curl_line_of_the_seed_works(system: System, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(PNG)
    credential = system.token("ann")

    def curl() -> dict:
        done = subprocess.run(
            ["curl", "-sS", "-X", "POST", f"http://127.0.0.1:{system.stack.port}{UPLOAD}", "-H",
             f"Authorization: Bearer {credential}", "-F", "file=@image.png", "-F", "channel=general"],
            cwd=tmp_path, capture_output=True, text=True, timeout=20, check=True)
        return json.loads(done.stdout)

    answer, heard = asyncio.run(hear_one(system, "general", curl))
    assert base64.b64decode(heard["binary_data"]) == PNG and heard["sender"] == "ann"
    assert heard["filename"] == answer["filename"] == "image.png"
    assert answer["content_type"] == "image/png" and answer["size"] == len(PNG)
    assert answer["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert answer["url"] == f"/realtime/files/{answer['file_id']}" and answer["delivered_to"] == 1
    assert answer["message_id"] == heard["message_id"] and answer["offset"] == heard["offset"]


def test_a_large_file_is_announced_by_its_url(system: System) -> None:
    data = large_text(1_000_000).encode()
    answer, heard = asyncio.run(hear_one(
        system, "c", lambda: upload(system, a_field("channel", "c"), a_field("persistent", "true"),
                                    a_file(data, "big.txt", "text/plain"))))
    assert answer.status == 201, answer.body
    assert answer.headers["Location"] == answer.json["url"] == heard["url"]
    assert heard["sha256"] == hashlib.sha256(data).hexdigest() and heard["persistent"]


def test_without_a_channel_it_is_only_kept(system: System) -> None:
    answer = upload(system, a_file(PNG))
    assert answer.status == 201 and "message_id" not in answer.json
    assert answer.headers["Location"] == answer.json["url"]
    row = rows(system, "SELECT filename, content_type, channel, size_bytes FROM uploads WHERE file_id = ?",
               answer.json["file_id"])
    assert row == [("dot.png", "image/png", None, len(PNG))]


def rows(system: System, statement: str, *values: object) -> list[tuple]:
    with sqlite3.connect(system.stack.database) as db:
        return db.execute(statement, values).fetchall()


def test_several_files_at_once(system: System) -> None:
    answer = upload(system, a_file(PNG, "a.png"), a_file(b"text", "b.txt", "text/plain"), a_field("channel", "c"))
    assert answer.status == 201, answer.body
    first, second = answer.json["files"]
    assert first["filename"] == "a.png" and second["filename"] == "b.txt"
    assert second["offset"] == first["offset"] + 1 and "Location" not in answer.headers


@pytest.mark.parametrize("filename,kept", [
    ("C:\\Users\\ann\\dot.png", "dot.png"), ("../../../etc/passwd", "passwd"), ("a/b/", None),
    ("фото.png", "фото.png"), ('q%22q.png', 'q"q.png'),
])
def test_only_the_last_part_of_a_path_is_a_name(system: System, filename: str, kept: str | None) -> None:
    answer = upload(system, a_file(PNG, filename))
    assert answer.status == 201, answer.body
    assert answer.json.get("filename") == kept


@pytest.mark.parametrize("parts,status,code", [
    ((a_field("channel", "c"),), 400, "missing_field"),
    ((a_file(PNG), a_field("channel", "a\nb")), 400, "bad_field"),
    ((a_file(PNG), a_field("channel", "c"), a_field("channel", "d")), 400, "bad_field"),
    ((a_file(PNG), a_field("channel", "c"), a_field("persistent", "maybe")), 400, "bad_field"),
    ((a_file(PNG), a_field("channel", "c"), a_field("ttl", "-5")), 400, "bad_field"),
    ((a_file(PNG), a_field("channel", "c"), a_field("tags", "[1]")), 400, "bad_field"),
    ((a_file(PNG, ".."),), 400, "bad_field"),
    ((a_file(PNG, "a\x01b"),), 400, "bad_multipart"),
    ((a_file(PNG, "a\r\nContent-Type: text/html\r\n\r\nb"),), 400, "bad_multipart"),
    ((a_file(PNG, "a.zip", "application/zip"),), 415, "type_not_allowed"),
    ((a_file(GZIP, "a.png", "image/png"),), 415, "type_not_allowed"),
    ((a_file(GZIP + bytes(100_000), "a.png", "image/png"),), 415, "type_not_allowed"),
    ((a_file(bytes(2 * 1024 * 1024 + 1)),), 413, "file_too_big"),
    ((a_field("tags", "x" * 20_000), a_file(PNG)), 413, "field_too_big"),
    (tuple(a_file(PNG) for _ in range(17)), 400, "bad_field"),
    ((("picture", PNG, "a.png", "image/png"),), 400, "bad_field"),
])
def test_a_bad_upload_is_refused_and_leaves_nothing(system: System, parts: tuple, status: int, code: str) -> None:
    before, kept = files_in(system), rows(system, "SELECT COUNT(*) FROM uploads")
    answer = upload(system, *parts)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    if code == "type_not_allowed":
        assert "image/*" in answer.json["detail"] and answer.json["errors"]
    assert files_in(system) == before and rows(system, "SELECT COUNT(*) FROM uploads") == kept


@pytest.mark.parametrize("content_type,body,status", [
    ("application/json", b"{}", 415), ("multipart/form-data", b"", 400), ("multipart/form-data; boundary=b", b"", 400),
    ("multipart/form-data; boundary=b", b"--b\r\n", 400), ("multipart/mixed; boundary=b", b"--b--", 415),
    ("multipart/form-data; boundary=b", b"--b--", 400),
])
def test_what_is_no_form_is_refused(system: System, content_type: str, body: bytes, status: int) -> None:
    answer = system.stack.request("POST", UPLOAD, body, {"Content-Type": content_type})
    assert answer.status == status and answer.json["code"]


def test_an_upload_that_breaks_off_leaves_nothing(system: System) -> None:
    before = files_in(system)
    whole = form(a_file(large_text(200_000).encode(), "a.txt", None))
    with socket.create_connection(("127.0.0.1", system.stack.port)) as connection:
        connection.sendall((f"POST {UPLOAD} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(whole)}\r\n"
                            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n").encode())
        connection.sendall(whole[:100_000])
        if system.stack.gateway == "scgi":
            return  # nginx still collects it, and the API never hears of it
        wait_until(lambda: len(files_in(system)) > len(before))
    wait_until(lambda: files_in(system) == before)


def test_a_body_without_a_length_is_taken_as_well(system: System) -> None:
    whole = form(a_field("channel", "c"), a_file(PNG))
    connection = http.client.HTTPConnection("127.0.0.1", system.stack.port, timeout=20)
    try:
        connection.request("POST", UPLOAD, iter([whole[:50], whole[50:]]), encode_chunked=True, headers={
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Transfer-Encoding": "chunked"})
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
    finally:
        connection.close()
