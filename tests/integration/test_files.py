"""Bytes by REST: sent, uploaded, kept, handed out; over the API and realtimed together behind nginx."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import random
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import wait_until
from files import UPLOAD, a_system, base64_of, files_in, get, hear_one, rows, upload
from form import BOUNDARY, a_field, a_file, form
from guarded_system import System
from realtimed import connect
from samples import GZIP, PNG, large_text

INLINE_MAX = 262144


@pytest.fixture(scope="module", params=["fastcgi", "scgi", "fastcgi+accel"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Files are sent by the API, or ("accel") by nginx."""
    gateway, _, accel = request.param.partition("+")
    folder = tmp_path_factory.mktemp("files")
    (folder / "namespaces.json").write_text(json.dumps({"namespaces": [
        {"channels": "members_*", "subscribe": "users", "publish": "users"},
        {"channels": "free_*", "publish": "anyone"}]}))
    with a_system(folder, gateway, BINARY_MAX_FILE_SIZE="2MiB",
                  REALTIME_NAMESPACES=str(folder / "namespaces.json"),
                  REALTIME_FILES_ACCEL="/realtime-files/" if accel else "") as it:
        yield it


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


def test_a_file_can_be_put_as_it_is(system: System, tmp_path: Path) -> None:
    data = large_text(300_000).encode() + b"put"
    (tmp_path / "a b.txt").write_bytes(data)
    url = (f"http://127.0.0.1:{system.stack.port}/realtime/files?channel=put&filename=a%20b.txt&persistent=true"
           "&tags={}")

    def curl() -> dict:
        done = subprocess.run(["curl", "-sSg", "-T", "a b.txt", url], cwd=tmp_path, capture_output=True, text=True,
                              timeout=20, check=True)
        return json.loads(done.stdout)

    answer, heard = asyncio.run(hear_one(system, "put", curl))
    assert answer["sha256"] == hashlib.sha256(data).hexdigest() and answer["content_type"] == "text/plain"
    assert heard["url"] == answer["url"] and heard["filename"] == "a b.txt" and heard["persistent"]
    assert get(system, answer["url"]).body == data


@pytest.mark.parametrize("query,body,content_type,status,code", [
    ("filename=..", PNG, "image/png", 400, "bad_field"), ("filename=a%0d%0ab", PNG, "image/png", 400, "bad_field"),
    ("filename=" + "x" * 2000, PNG, "image/png", 400, "bad_field"), ("channel=a%0ab", PNG, "image/png", 400, "bad_field"),
    ("ttl=x", PNG, "image/png", 400, "bad_field"), ("", GZIP, "image/png", 415, "type_not_allowed"),
    ("", PNG, "x" * 300, 400, "bad_field"), ("", bytes(2 * 1024 * 1024 + 1), "image/png", 413, "file_too_big"),
    ("channel=members_1", PNG, "image/png", 401, "authentication_required")])
def test_a_bad_put_is_refused(system: System, query: str, body: bytes, content_type: str, status: int,
                              code: str) -> None:
    before = files_in(system)
    answer = system.stack.request("PUT", "/realtime/files?" + query, body, {"Content-Type": content_type})
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert files_in(system) == before


# ---- downloads ----


@pytest.fixture(scope="module")
def text_file(system: System) -> tuple[str, bytes]:
    """The URL and the bytes of one."""
    data = bytes(random.Random(5).choices(b"abcdefghij\n", k=700_000))
    answer = upload(system, a_file(data, "заметки 1.txt", "text/plain"), credential=system.token("ann"))
    assert answer.status == 201, answer.body
    return answer.json["url"], data


def test_a_file_comes_back_as_it_went(system: System, text_file: tuple[str, bytes]) -> None:
    url, data = text_file
    answer, head = get(system, url), get(system, url, "HEAD")
    assert answer.status == head.status == 200 and answer.body == data and head.body == b""
    for headers in (answer.headers, head.headers):
        assert headers["Content-Length"] == str(len(data)) and headers["Content-Type"] == "text/plain"
        assert headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'
        assert headers.get_all("Accept-Ranges") == ["bytes"] and headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Cache-Control"] == "private, no-cache" and "X-Accel-Redirect" not in headers
        assert headers["Content-Disposition"] == (
            'inline; filename="______________ 1.txt"; '
            "filename*=UTF-8''%D0%B7%D0%B0%D0%BC%D0%B5%D1%82%D0%BA%D0%B8%201.txt")


@pytest.mark.parametrize("wanted,first,last", [
    ("bytes=0-99", 0, 99), ("bytes=100000-", 100_000, 699_999), ("bytes=-5", 699_995, 699_999),
    ("bytes=699999-9999999", 699_999, 699_999)])
def test_a_part_can_be_had(system: System, text_file: tuple[str, bytes], wanted: str, first: int, last: int) -> None:
    url, data = text_file
    answer = get(system, url, Range=wanted)
    assert answer.status == 206 and answer.body == data[first:last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    again = get(system, url, Range=wanted, If_Range=answer.headers["ETag"])
    assert again.status == 206 and again.body == answer.body
    assert get(system, url, Range=wanted, If_Range='"other"').body == data


def test_what_is_no_range_gives_all_and_what_is_not_there_416(system: System, text_file: tuple[str, bytes]) -> None:
    url, data = text_file
    for wanted in ("lines=1-2", "nonsense"):
        answer = get(system, url, Range=wanted)
        assert answer.status == 200 and answer.body == data
    answer = get(system, url, Range="bytes=700000-")
    assert answer.status == 416 and answer.headers["Content-Range"] == f"bytes */{len(data)}"
    several = get(system, url, Range="bytes=0-1,10-11")
    assert several.status in (200, 206)
    assert several.body == data if several.status == 200 else b"multipart/byteranges" in several.headers[
        "Content-Type"].encode()


def test_what_is_known_is_not_sent_again(system: System, text_file: tuple[str, bytes]) -> None:
    etag = get(system, text_file[0], "HEAD").headers["ETag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = get(system, text_file[0], If_None_Match=known)
        assert answer.status == 304 and answer.body == b"" and answer.headers["ETag"] == etag
    assert get(system, text_file[0], If_None_Match='"x"').status == 200


@pytest.mark.parametrize("content,content_type,inline", [
    (PNG, "image/png", True), (b"%PDF-1.4\n", "application/pdf", True),
    (b"<!DOCTYPE html><script>alert(1)</script>", "text/html", False),
    (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", False)])
def test_only_what_is_no_program_is_shown(system: System, content: bytes, content_type: str, inline: bool) -> None:
    answer = upload(system, a_file(content, "x", content_type))
    assert answer.status == 201, answer.body
    headers = get(system, answer.json["url"]).headers
    assert headers["Content-Type"] == content_type
    assert headers["Content-Disposition"].startswith("inline" if inline else "attachment")


@pytest.mark.parametrize("path", [
    "file_0123456789012345678901", "file_x", "..%2f..%2fetc%2fpasswd", "../../realtime.db", "incoming/lock",
    "%2e%2e/%2e%2e/etc/passwd", "file_' OR '1'='1' --aaaaaaa", "ab/cd/x", "file_012345678901234567890/.."])
def test_nothing_else_can_be_had(system: System, path: str) -> None:
    answer = get(system, "/realtime/files/" + path.replace(" ", "%20"))
    assert answer.status in (400, 404) and b"root:" not in answer.body and b"SQLite" not in answer.body
    assert get(system, "/realtime-files/incoming/lock").status == 404


def test_a_symlink_in_the_store_is_not_followed(system: System) -> None:
    data = large_text(1000).encode() + b"link"
    answer = upload(system, a_file(data, "l.txt", "text/plain"))
    digest = answer.json["sha256"]
    place = system.stack.folder / "files" / digest[:2] / digest[2:4] / digest
    if system.stack.env["REALTIME_FILES_ACCEL"]:
        return  # then it is nginx that opens it
    place.unlink()
    place.symlink_to("/etc/passwd")
    assert get(system, answer.json["url"]).status == 500
    place.unlink()


def test_its_owner_and_admins_delete_it(system: System) -> None:
    data = large_text(5000).encode() + b"deleted"
    mine, yours = (upload(system, a_file(data, "a.txt", "text/plain"), credential=system.token(name))
                   for name in ("ann", "bob"))
    url = mine.json["url"]
    assert system.ask("DELETE", url).status == 401
    assert system.ask("DELETE", url, credential=system.token("bob")).status == 403
    assert system.ask("DELETE", url, credential=system.token("ann")).status == 204
    assert get(system, url).status == 404
    assert system.ask("DELETE", url, credential=system.token("ann")).status == 404
    assert get(system, yours.json["url"]).body == data, "the same bytes are somebody else's too"
    assert system.ask("DELETE", yours.json["url"], credential=system.token("eve", roles=["admin"])).status == 204
    assert not [path for path in files_in(system) if path.name == mine.json["sha256"]]


def test_a_file_for_members_is_for_them_alone(system: System) -> None:
    ann, bob = system.token("ann"), system.token("bob")
    refused = upload(system, a_field("channel", "members_1"), a_file(PNG))
    assert refused.status == 401
    answer = upload(system, a_field("channel", "members_1"), a_file(PNG), credential=ann)
    assert answer.status == 201, answer.body
    url = answer.json["url"]
    assert get(system, url).status == 401
    assert system.ask("GET", url, credential=bob).body == PNG
    assert get(system, f"{url}?token={bob}").body == PNG


def test_rights_are_asked_before_the_bytes_come(system: System) -> None:
    for parts, path in (((a_field("channel", "members_1"), a_file(PNG)), UPLOAD),
                        ((a_file(PNG), a_field("channel", "members_1")), UPLOAD),
                        ((a_file(PNG),), UPLOAD + "?channel=members_1")):
        before = files_in(system)
        answer = upload(system, *parts, path=path)
        assert answer.status == 401 and answer.json["code"] == "authentication_required"
        assert files_in(system) == before
    limited = system.token("ann", channels={"mine_*": ["publish"]})
    assert upload(system, a_file(PNG), a_field("channel", "c"), credential=limited).status == 403
    assert upload(system, a_file(PNG), a_field("channel", "mine_1"), credential=limited).status == 201
