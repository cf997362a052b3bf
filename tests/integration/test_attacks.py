"""What somebody who means harm would try: paths, headers, lengths, packed and disguised bodies, slowness; through each web
server, and at realtime-api's own sockets."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fastcgi
import pytest
from answer import Answer
from bearer import base64url, bearer
from conftest import Stack, wait_until
from files import a_system
from form import BOUNDARY, a_field, a_file, form
from front_site import Site, site_fixture
from samples import PNG, large_text

SECRETS = (b"root:x:0", b"SQLite format 3", b"[Unit]", b"set -euo pipefail")
ROOMS = "/realtime/webrtc/rooms"

site = site_fixture()


@pytest.fixture(scope="module", params=["fastcgi", "scgi"])
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """realtime-api without a web server in front that would judge first; nginx is there to look."""
    running = Stack(tmp_path_factory.mktemp(request.param), request.param)
    running.start_api()
    running.start_realtimed()
    running.start_nginx()
    try:
        running.wait_until_up()
        yield running
    finally:
        running.stop_all()


def api_socket(stack: Stack) -> Path:
    return stack.folder / "run" / "api.sock"


def raw(port: int, data: bytes, wait_s: float = 2.0) -> bytes:
    """What comes back, until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(wait_s)
        out = b""
        try:
            connection.sendall(data)
            while more := connection.recv(65536):
                out += more
        except (TimeoutError, ConnectionError):
            pass
        return out


def statuses(answers: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", answers)]


def is_well(site: Site) -> bool:
    return site.stack.request("GET", ROOMS).status == 200


# ---- paths ----


@pytest.mark.parametrize("path", [
    "/realtime/static/../../dev", "/realtime/static/..%2f..%2fdev", "/realtime/static/%2e%2e/%2e%2e/dev",
    "/realtime/static/..%5c..%5cdev", "/realtime/static/%252e%252e/%252e%252e/dev", "/realtime/static//etc/passwd",
    "/realtime/static/....//....//etc/passwd", "/realtime/static../../dev", "/realtime/static/%c0%ae%c0%ae/dev",
    "/realtime/static/\\..\\..\\dev", "/realtime/static/docs.html%00.png", "/../../../../etc/passwd",
    "/realtime/files/../../../../etc/passwd", "/realtime/files/%2e%2e%2f%2e%2e%2frealtime.db", "/realtime/files/..;/realtime.db",
    "/realtime-files/", "/realtime-files/../realtime.db", "/realtime/docs/../../dev", "/realtime/uploads/..%2flock",
    "/health/../realtime/static/../../dev", "//etc/passwd", "/./realtime/../etc/passwd", "/realtime/test/../../../../etc/passwd"])
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_no_path_leads_out(site: Site, method: bytes, path: str) -> None:
    answer = raw(site.port, method + b" " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert not any(secret in answer for secret in SECRETS), answer[:300]
    first = statuses(answer)[0]
    assert 300 <= first <= 500, answer[:300]  # 500: Caddy, of a NUL


# ---- headers ----


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", 'a"; filename="b', "a\0b", "a\x7fb", "\u2028"])
def test_no_name_becomes_a_header(site: Site, name: str) -> None:
    """In a form's file name; of JSON; of a query. It is refused, or harmless in the header that hands it out."""
    answers: list[Answer] = [site.stack.request(
        "POST", "/realtime/binary/upload", form(a_file(PNG, name)), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})]
    escaped = "".join(f"%{byte:02x}" for byte in name.encode())
    answers.append(site.stack.request("PUT", f"/realtime/files?filename={escaped}", PNG, {"Content-Type": "image/png"}))
    answers.append(site.stack.request("POST", "/realtime/binary/text", {"text": large_text(300_000), "filename": name}))
    answers.append(site.stack.request("POST", ROOMS, {"room_id": name}))
    for answer in answers:
        assert answer.status in (201, 400), answer.body
        assert "X-Evil" not in answer.headers
        if answer.status == 201:
            told = site.stack.request("GET", answer.json["url"])
            assert told.status == 200 and "X-Evil" not in told.headers
            assert re.fullmatch(r"""(inline|attachment)(; filename="[^"\\]*"; filename\*=UTF-8''[!-~]*)?""",
                                told.headers["Content-Disposition"])
    assert answers[3].status == 400


@pytest.mark.parametrize("channel", ["a%0d%0aX-Evil:%201", "%00", "a%7f", "%ff%fe", "%c0%80", "%ed%a0%80"])
def test_no_channel_has_control_characters_or_bad_utf_8(site: Site, channel: str) -> None:
    for path in (f"/realtime/channels/{channel}/messages", f"{ROOMS}/{channel}"):
        answer = site.stack.request("GET", path)
        # Some servers judge by themselves.
        assert answer.status in (400, 404) and "X-Evil" not in answer.headers, (path, answer.body)
    put = site.stack.request("PUT", f"/realtime/files?channel={channel}", PNG, {"Content-Type": "image/png"})
    assert put.status == 400, put.body


@pytest.mark.parametrize("given", ["a b", "x" * 65, "a\tb", "<script>", "'; DROP TABLE rooms; --", "\xff"])
def test_an_odd_request_id_is_replaced(site: Site, given: str) -> None:
    answer = raw(site.port, f"GET {ROOMS} HTTP/1.1\r\nHost: x\r\nX-Request-Id: {given}\r\nConnection: close\r\n\r\n".encode("latin-1"))
    assert given.encode("latin-1") not in answer.split(b"\r\n\r\n")[0]


# ---- lengths ----

SMUGGLED = (f"POST {ROOMS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n"
            '{"room_id": "smuggled"}').encode()


@pytest.mark.parametrize("headers", [
    "Content-Length: 5\r\nContent-Length: 0", "Content-Length: 0\r\nContent-Length: 5", "Content-Length: 0, 5",
    "Content-Length: +0", "Content-Length: -1", "Content-Length: 0x0", "Content-Length: 00000000000000000000000x",
    "Content-Length: 99999999999999999999999", "Content-Length : 0", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "Transfer-Encoding : chunked",
    "Transfer-Encoding: \x0bchunked", "X: y\r\n Transfer-Encoding: chunked"])
def test_lengths_that_two_might_understand_in_two_ways_carry_nothing(site: Site, headers: str) -> None:
    """Whatever the first request is answered, what follows in its body does not become a request of its own."""
    data = f"POST /realtime/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}\r\n\r\n".encode()
    answers = raw(site.port, data + b"0\r\n\r\n" + SMUGGLED, 1.0)
    assert statuses(answers)[:1] != [201], answers[:300]
    assert site.stack.request("GET", f"{ROOMS}/smuggled").status == 404, answers
    assert is_well(site)


def test_both_lengths_mean_one_thing(site: Site) -> None:
    """Content-Length beside chunks: refused, or the chunks count and the rest is not taken for the body."""
    body = json.dumps({"channel": "c", "data": 1}).encode()
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    head = (b"POST /realtime/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 3\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    answers = raw(site.port, head + chunks, 3.0)
    assert len(statuses(answers)) == 1 and statuses(answers)[0] in (201, 400, 411, 501), answers
    assert is_well(site)


@pytest.mark.parametrize("chunks", [
    b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n", b"ffffffffffffffffff\r\nabc\r\n0\r\n\r\n", b"3\r\nabcdef\r\n0\r\n\r\n",
    b"3 \x00\r\nabc\r\n0\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n"])
def test_bad_chunks_are_refused(site: Site, chunks: bytes) -> None:
    head = (b"POST /realtime/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
    answers = raw(site.port, head + chunks, 1.5)
    assert all(status >= 400 for status in statuses(answers)), answers
    assert is_well(site)


@pytest.mark.parametrize("length", ["5, 5", "-1", "+5", "0x5", " 5", "5 ", "9" * 30, "1e3", "5\x00"])
def test_a_length_is_digits(alone: Stack, length: str) -> None:
    if alone.gateway == "fastcgi":
        with fastcgi.Connection(api_socket(alone)) as connection:
            connection.send(fastcgi.request("POST", "/realtime/send", b"{}xyz", CONTENT_LENGTH=length))
            answer = connection.answer()
            assert answer is None or answer.startswith(b"Status: 400"), answer
    else:
        out = fastcgi.scgi(api_socket(alone), fastcgi.scgi_request(
            b"{}xyz", CONTENT_LENGTH=length, REQUEST_METHOD="POST", REQUEST_URI="/realtime/send"))
        assert out == b"" or out.startswith(b"Status: 400"), out
    assert alone.request("GET", ROOMS).status == 200


def test_a_body_that_is_longer_than_it_says_is_no_second_request(tmp_path: Path, alone: Stack) -> None:
    if alone.gateway != "fastcgi":
        pytest.skip("SCGI has no second request")
    hidden = fastcgi.request("POST", ROOMS, b'{"room_id": "hidden"}')
    with fastcgi.Connection(api_socket(alone)) as connection:
        connection.send(fastcgi.request("POST", "/realtime/send", b"{}" + hidden, CONTENT_LENGTH="2"))
        assert connection.answer().startswith(b"Status: 400")  # data is missing
        connection.send(fastcgi.request("GET", ROOMS))
        assert connection.answer().startswith(b"Status: 200")
    with fastcgi.Connection(api_socket(alone)) as connection:
        connection.send(fastcgi.request("POST", "/realtime/send", b"{}", CONTENT_LENGTH="500"))
        assert b"body_incomplete" in connection.answer()
    assert alone.request("GET", f"{ROOMS}/hidden").status == 404


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(4096), b"\xff" * 4096, fastcgi.record(fastcgi.PARAMS, b"\xff\xff\xff\xff"),
    fastcgi.record(fastcgi.BEGIN, b"\0\1\1" + bytes(5)) + fastcgi.record(fastcgi.PARAMS, b"\xff\xff\xff\xff\xff\xff\xff\xff"),
    fastcgi.record(fastcgi.BEGIN, b"\0\1\1" + bytes(5)) + fastcgi.record(fastcgi.PARAMS, b"\x7f\x7fA") + fastcgi.record(fastcgi.PARAMS),
    fastcgi.record(fastcgi.BEGIN, b"\0\1\1" + bytes(5)) + fastcgi.record(fastcgi.STDIN, b"x"),
    fastcgi.record(fastcgi.BEGIN, b"\0\1\1" + bytes(5), version=9), fastcgi.record(fastcgi.ABORT),
    fastcgi.record(fastcgi.BEGIN, b"\0\7\1" + bytes(5)), b"99999999999:", b"10:CONTENT_LE,", b"0:,", b"24:CONTENT_LENGTH\0" + b"0\0SCGI\0" + b"2\0,",
    b"70000:" + b"A" * 70000])
def test_what_is_no_request_ends_its_connection_alone(alone: Stack, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(15)
        connection.connect(str(api_socket(alone)))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    assert alone.request("GET", ROOMS).status == 200


def test_variables_that_come_twice_or_lie_are_not_believed(alone: Stack) -> None:
    """A second CONTENT_LENGTH, a path without its decoded form, a method with blanks."""
    if alone.gateway == "scgi":
        twice = fastcgi.scgi_request(b"", REQUEST_METHOD="GET", REQUEST_URI=ROOMS)
        text = twice.split(b":", 1)[1].rstrip(b",") + b"CONTENT_LENGTH\0" + b"5\0"
        assert fastcgi.scgi(api_socket(alone), b"%d:%s," % (len(text), text)) == b""
        return
    with fastcgi.Connection(api_socket(alone)) as connection:
        for method, uri in (("GET /x", ROOMS), ("", ROOMS), ("GET", "http:"), ("GET", "http://"), ("GET", ""), ("GET", "?"), ("GET", "*"),
                            ("GET", ROOMS + "/" + "x" * 9000), ("GET", ROOMS + "?" + "a=b&" * 5000)):
            connection.send(fastcgi.request(method, uri))
            answer = connection.answer()
            assert answer and answer[:11] in (b"Status: 400", b"Status: 404", b"Status: 405"), (method, uri[:40], answer)


# ---- bodies in disguise ----


def test_packed_bodies_are_not_unpacked(site: Site) -> None:
    bomb = gzip.compress(b'{"data": "' + b"x" * (8 << 20) + b'"}')
    for path, kind in (("/realtime/send", "application/json"), (ROOMS, "application/json"), ("/realtime/binary/text", "application/json")):
        for coding in ("gzip", "deflate", "br", "gzip, gzip"):
            answer = site.stack.request("POST", path, bomb, {"Content-Type": kind, "Content-Encoding": coding})
            assert answer.status == 415 and answer.json["code"] == "unsupported_content_encoding", answer.body
            assert answer.fields == ["/Content-Encoding"]
    put = site.stack.request("PUT", "/realtime/files", bomb, {"Content-Type": "image/png", "Content-Encoding": "gzip"})
    assert put.status == 415, put.body
    assert site.stack.request("PUT", "/realtime/files", PNG, {"Content-Type": "image/png", "Content-Encoding": "identity"}).status == 201


@pytest.mark.parametrize(("content", "declared", "may_be_shown"), [
    (b"<!doctype html><script>alert(1)</script>", "image/png", True),  # shown as a picture that is broken
    (b"GIF89a/*<svg/onload=alert(1)>*/=1;", "image/gif", True),
    (b"<html><body>hi</body></html>", "text/html", False),
    (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml", False),
    (b"%PDF-1.4\n<script>alert(1)</script>", "application/pdf", True),
    (b"alert(document.domain)", "text/javascript", False), (b"\x89PNG\r\n\x1a\n<script>", "text/html; charset=utf-7", False)])
def test_no_file_acts_as_a_page(site: Site, content: bytes, declared: str, may_be_shown: bool) -> None:
    kept = site.stack.request("PUT", "/realtime/files?filename=a.html", content, {"Content-Type": declared})
    if kept.status == 415:
        return
    got = site.stack.request("GET", kept.json["url"])
    assert got.status == 200 and got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Content-Security-Policy"].startswith("sandbox")
    disposition = got.headers["Content-Disposition"].split(";")[0]
    assert disposition == "attachment" or (may_be_shown and got.headers["Content-Type"].split("/")[0] in ("image", "application"))


def test_a_link_in_the_place_of_an_upload_is_not_followed(alone: Stack, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    tus = {"Tus-Resumable": "1.0.0"}
    place = alone.request("POST", "/realtime/uploads", None, {**tus, "Upload-Length": "10"}).headers["Location"]
    partial = alone.folder / "files" / "partial" / place.rsplit("/", 1)[1]
    partial.unlink()
    partial.symlink_to(secret)
    patch = {**tus, "Upload-Offset": "1", "Content-Type": "application/offset+octet-stream"}
    assert alone.request("PATCH", place, b"overwrite", patch).status in (404, 500)
    assert alone.request("HEAD", place, None, tus).status in (404, 500)
    assert secret.read_bytes() == b"x"
    assert alone.request("DELETE", place, None, tus).status == 204 and secret.exists()


# ---- too much ----


def test_nothing_is_nested_so_deeply_that_it_kills(tmp_path: Path) -> None:
    """Neither what comes, and a token is read before it is checked, nor what is found in the store."""
    with a_system(tmp_path) as system:
        def send(method: str, path: str, body: bytes | None = None, **headers: str) -> int:
            return system.stack.request(method, path, body, {"Content-Type": "application/json", **headers}).status

        assert send("POST", ROOMS, b'{"room_id": "deep"}') == 201
        assert send("POST", "/realtime/send", b'{"persistent": true, "data": 1}') == 201
        for depth in (1000, 1500, 2040):
            array = "[" * depth + "]" * depth
            assert send("POST", "/realtime/send", f'{{"data": {array}}}'.encode()) == 400
            head = base64url(f'{{"alg": "HS256", "x": {array}}}'.encode())
            assert send("GET", ROOMS, **bearer(f"{head}.e30.AAAA")) == 401
            system.sql("UPDATE messages SET data = ?", array)
            assert send("GET", "/realtime/channels/general/messages") == 200
            system.sql("UPDATE rooms SET metadata = ?", f'{{"a": {array}}}')
            assert send("GET", f"{ROOMS}/deep") == 200
            assert send("PUT", f"{ROOMS}/deep", b'{"locked": true}') == 200
        assert system.stack.children["api"].poll() is None and system.daemon.process.poll() is None


@pytest.mark.parametrize("head", [
    b"X: " + b"a" * 100_000, b"\r\n".join(b"X-%d: y" % i for i in range(5000)), b"Cookie: " + b"a=b; " * 20_000,
    b"Authorization: Bearer " + b"x" * 60_000], ids=["long", "many", "cookies", "token"])
def test_heads_that_are_too_large_are_refused(site: Site, head: bytes) -> None:
    answers = raw(site.port, b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\nConnection: close\r\n\r\n" % (ROOMS.encode(), head))
    assert statuses(answers)[:1] in ([], [400], [401], [414], [431], [413], [200], [502], [503]), answers[:200]
    assert is_well(site)


def test_slow_heads_and_bodies_hold_nobody_up(site: Site) -> None:
    slow = []
    try:
        for i in range(60):
            connection = socket.create_connection(("127.0.0.1", site.port), 10)
            slow.append(connection)
            connection.sendall(b"PUT /realtime/files HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n" +
                               (b"Content-Length: 1000\r\n\r\nabc" if i % 2 else b"X-Slow: "))
        for _ in range(20):
            began = time.monotonic()
            assert is_well(site)
            assert time.monotonic() - began < 2
    finally:
        for connection in slow:
            connection.close()
    wait_until(lambda: is_well(site))


def time_to_be_well(site: Site) -> float:
    began = time.monotonic()
    wait_until(lambda: is_well(site), 60)
    return time.monotonic() - began


@contextlib.contextmanager
def trickling(site: Site, head: str) -> Iterator[None]:
    """60 requests with a body of 1000 bytes that come one by one, ten in a second."""
    slow = [socket.create_connection(("127.0.0.1", site.port), 10) for _ in range(60)]
    is_over = threading.Event()

    def trickle() -> None:
        while not is_over.wait(0.1):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b" ")

    for connection in slow:
        connection.sendall(f"POST {head}\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{".encode())
    sender = threading.Thread(target=trickle)
    sender.start()
    try:
        time.sleep(2)  # each of them is looked at for a moment
        yield
    finally:
        is_over.set()
        sender.join()
        for connection in slow:
            connection.close()
    wait_until(lambda: is_well(site))


@pytest.mark.parametrize("path", ["/realtime/binary/send", "/realtime/binary/text", "/realtime/send"])
def test_json_that_trickles_holds_nobody_up(site: Site, path: str) -> None:
    if site.front != "nginx":
        pytest.skip("this server hands on each byte as it comes")
    with trickling(site, f"{path} HTTP/1.1\r\nContent-Type: application/json"):
        for _ in range(5):
            assert time_to_be_well(site) < 2


def test_what_trickles_holds_a_thread_for_ten_seconds(site: Site) -> None:
    """JSON; or, as nginx collects that first, what is refused and only read to its end."""
    head = "/realtime/uploads HTTP/1.1" if site.front == "nginx" else "/realtime/send HTTP/1.1\r\nContent-Type: application/json"
    with trickling(site, head):
        assert time_to_be_well(site) < 30


def test_fields_that_are_too_many_or_too_long_are_refused(site: Site) -> None:
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    many = form(*(a_field(f"f{i}", "x") for i in range(500)), a_file(PNG))
    assert site.stack.request("POST", "/realtime/binary/upload", many, kind).json["code"] == "bad_multipart"
    long = form(a_field("tags", "x" * 200_000), a_file(PNG))
    assert site.stack.request("POST", "/realtime/binary/upload", long, kind).status == 413
    query = "&".join(f"a{i}=b" for i in range(200))
    assert site.stack.request("GET", f"{ROOMS}?{query}").json["code"] == "bad_query"
    assert site.stack.request("GET", f"{ROOMS}?limit=1&limit=2").status == 200  # the first counts, for all of us
