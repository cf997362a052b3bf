"""Files that come piece by piece (tus 1.0.0): what was answered is on the disk, and goes on from there."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from answer import Answer
from conftest import wait_until
from files import a_system, base64_of, files_in, get, hear_one
from guarded_system import System
from samples import GZIP, PNG, large_text

UPLOADS = "/realtime/uploads"


@pytest.fixture(scope="module", params=["fastcgi", "scgi"])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("tus")
    (folder / "namespaces.json").write_text(json.dumps({"namespaces": [
        {"channels": "members_*", "subscribe": "users", "publish": "users"}]}))
    with a_system(folder, request.param, BINARY_MAX_FILE_SIZE="2MiB",
                  REALTIME_NAMESPACES=str(folder / "namespaces.json")) as it:
        yield it


def tus(system: System, method: str, path: str, body: bytes | None = None, credential: str | None = None,
        **headers: str) -> Answer:
    sent = {"Tus-Resumable": "1.0.0", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if credential:
        sent["Authorization"] = f"Bearer {credential}"
    if body is not None:
        sent.setdefault("Content-Type", "application/offset+octet-stream")
    return system.stack.request(method, path, body, sent)


def metadata(**values: str) -> str:
    return ",".join(f"{name} {base64_of(value.encode())}" for name, value in values.items())


def begin(system: System, size: int, credential: str | None = None, **values: str) -> str:
    answer = tus(system, "POST", UPLOADS, credential=credential, Upload_Length=str(size),
                 Upload_Metadata=metadata(**values))
    assert answer.status == 201, answer.body
    assert answer.headers["Upload-Expires"].endswith("GMT")
    return answer.headers["Location"]


def offset_of(system: System, path: str) -> int:
    answer = tus(system, "HEAD", path)
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    return int(answer.headers["Upload-Offset"])


def test_tus_says_what_it_can(system: System) -> None:
    answer = system.stack.request("OPTIONS", UPLOADS)
    assert answer.status == 204 and answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,expiration,checksum,termination"
    assert int(answer.headers["Tus-Max-Size"]) > 0
    assert system.stack.request("POST", UPLOADS, b"", {"Upload-Length": "5"}).status == 412


def test_an_upload_goes_on_where_it_stopped(system: System) -> None:
    data = large_text(3_000_000).encode() + b"tus"  # more than one request may have

    def send() -> Answer:
        path = begin(system, len(data), filename="big.txt", filetype="text/plain", channel="tus", persistent="true")
        answer = tus(system, "PATCH", path, data[:1_000_000], Upload_Offset="0")
        assert answer.status == 204 and answer.headers["Upload-Offset"] == "1000000", answer.body
        assert tus(system, "PATCH", path, b"x", Upload_Offset="5").status == 409
        # One that breaks off: what came counts, over FastCGI; nginx keeps it to itself over SCGI.
        with socket.create_connection(("127.0.0.1", system.stack.port)) as connection:
            connection.sendall((f"PATCH {path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 1000000\r\n"
                                "Content-Type: application/offset+octet-stream\r\nContent-Length: 1000000\r\n\r\n"
                                ).encode() + data[1_000_000:1_500_000])
            if system.stack.gateway == "fastcgi":
                partial = system.stack.folder / "files" / "partial" / path.rsplit("/", 1)[1]
                wait_until(lambda: partial.stat().st_size > 1_000_000)
                assert tus(system, "HEAD", path).status == 423
        wait_until(lambda: tus(system, "HEAD", path).status == 200)
        offset = offset_of(system, path)
        assert 1_000_000 < offset <= 1_500_000 if system.stack.gateway == "fastcgi" else offset == 1_000_000
        last = tus(system, "PATCH", path, data[offset:], Upload_Offset=str(offset))
        assert last.status == 204, last.body
        again = tus(system, "HEAD", path)  # whoever missed the answer learns of it
        assert again.headers["Upload-Offset"] == str(len(data))
        assert again.headers["Content-Location"] == last.headers["Content-Location"]
        assert tus(system, "PATCH", path, b"", Upload_Offset=str(len(data))).status == 204
        return last

    last, heard = asyncio.run(hear_one(system, "tus", send))
    assert heard["url"] == last.headers["Content-Location"] and heard["filename"] == "big.txt"
    assert heard["sha256"] == hashlib.sha256(data).hexdigest() and heard["content_type"] == "text/plain"
    assert get(system, heard["url"]).body == data


def test_creation_may_bring_bytes_and_an_empty_file_is_whole_at_once(system: System) -> None:
    answer = tus(system, "POST", UPLOADS, PNG, Upload_Length=str(len(PNG)), Upload_Metadata=metadata(filename="a.png"))
    assert answer.status == 201 and answer.headers["Upload-Offset"] == str(len(PNG)), answer.body
    assert get(system, answer.headers["Content-Location"]).body == PNG
    answer = tus(system, "POST", UPLOADS, Upload_Length="0", Upload_Metadata=metadata(filetype="text/plain"))
    assert answer.status == 201 and get(system, answer.headers["Content-Location"]).body == b""


def test_a_piece_that_does_not_fit_its_checksum_is_not_taken(system: System) -> None:
    path = begin(system, len(PNG))
    wrong, right = (base64_of(hashlib.sha1(data).digest()) for data in (b"x", PNG))
    answer = tus(system, "PATCH", path, PNG, Upload_Offset="0", Upload_Checksum="sha1 " + wrong)
    assert (answer.status, answer.json["code"]) == (460, "checksum_mismatch")
    assert offset_of(system, path) == 0
    assert tus(system, "PATCH", path, PNG, Upload_Offset="0", Upload_Checksum="crc32 AAAA").status == 400
    assert tus(system, "PATCH", path, PNG, Upload_Offset="0", Upload_Checksum="sha1 " + right).status == 204


@pytest.mark.parametrize("headers,status", [
    ({}, 400), ({"Upload-Length": "-1"}, 400), ({"Upload-Length": "x"}, 400), ({"Upload-Length": "9" * 17}, 413),
    ({"Upload-Length": "5", "Upload-Metadata": "filename !!"}, 400),
    ({"Upload-Length": "5", "Upload-Metadata": metadata(filename="../x")}, 400),
    ({"Upload-Length": "5", "Upload-Metadata": metadata(filename="a\r\nb")}, 400),
    ({"Upload-Length": "5", "Upload-Metadata": metadata(channel="a\nb")}, 400),
    ({"Upload-Length": "5", "Upload-Metadata": metadata(channel="members_1")}, 401),
    ({"Upload-Length": "5", "Upload-Metadata": metadata(ttl="soon")}, 400),
    ({"Upload-Length": "2000000000"}, 507)])
def test_a_bad_beginning_is_refused(system: System, headers: dict[str, str], status: int) -> None:
    before = files_in(system)
    answer = system.stack.request("POST", UPLOADS, None, {"Tus-Resumable": "1.0.0", **headers})
    assert answer.status == status, answer.body
    assert files_in(system) == before


def test_what_may_not_be_is_forgotten_and_what_is_too_much_not_taken(system: System) -> None:
    path = begin(system, len(GZIP), filetype="image/png")
    assert tus(system, "PATCH", path, GZIP, Upload_Offset="0").status == 415
    assert tus(system, "HEAD", path).status == 404
    path = begin(system, 3)
    assert tus(system, "PATCH", path, PNG, Upload_Offset="0").status == 413
    assert offset_of(system, path) == 0
    assert tus(system, "PATCH", path, b"abc", Upload_Offset="0", Content_Type="text/plain").status == 415


def test_an_upload_is_its_beginners_alone_and_can_be_ended(system: System) -> None:
    ann = system.token("ann")
    path = begin(system, 10, credential=ann)
    for method, headers in (("HEAD", {}), ("DELETE", {}), ("PATCH", {"Upload_Offset": "0"})):
        for credential in (None, system.token("bob")):
            body = b"x" if method == "PATCH" else None
            assert tus(system, method, path, body, credential, **headers).status == 404
    assert tus(system, "DELETE", path, credential=ann).status == 204
    assert tus(system, "HEAD", path, credential=ann).status == 404
    assert not (system.stack.folder / "files" / "partial" / path.rsplit("/", 1)[1]).exists()
    for name in ("..", "%2e%2e%2flock", "upl_" + "x" * 22):
        assert tus(system, "HEAD", f"{UPLOADS}/{name}").status in (400, 404)


def partial_of(system: System, path: str) -> Path:
    return system.stack.folder / "files" / "partial" / path.rsplit("/", 1)[1]


def kept_after_all(system: System, path: str, data: bytes) -> str:
    """Whoever asks how far it is hears that it is kept, and it is."""
    head = tus(system, "HEAD", path)
    assert head.status == 200 and head.headers["Upload-Offset"] == str(len(data)), head.headers
    assert get(system, head.headers["Content-Location"]).body == data
    assert not partial_of(system, path).exists()
    return head.headers["Content-Location"]


def test_what_is_whole_and_was_not_kept_is_so_when_somebody_asks(tmp_path: Path) -> None:
    """Its last byte is on the disk, and then we are killed, or the store or realtimed fails: whoever goes on asks, and
    hears that there is nothing left to send."""
    data = large_text(400_000).encode()
    with a_system(tmp_path) as system:
        path = begin(system, len(data), filetype="text/plain")
        system.stack.stop("api", signal.SIGKILL)
        partial_of(system, path).write_bytes(data)
        system.stack.start_api()
        system.stack.wait_until_up()
        kept_after_all(system, path, data)

        path = begin(system, len(data), filetype="text/plain")
        system.sql("CREATE TRIGGER full BEFORE INSERT ON uploads BEGIN SELECT RAISE(ABORT, 'full'); END")
        assert tus(system, "PATCH", path, data, Upload_Offset="0").status >= 400
        assert tus(system, "HEAD", path).status >= 400
        system.sql("DROP TRIGGER full")
        kept_after_all(system, path, data)

        path = begin(system, len(data), filetype="text/plain", channel="late", persistent="true")
        system.daemon.process.send_signal(signal.SIGSTOP)
        try:
            assert tus(system, "PATCH", path, data, Upload_Offset="0").status == 503
        finally:
            system.daemon.process.send_signal(signal.SIGCONT)
        wait_until(lambda: tus(system, "HEAD", path).status == 200)
        kept_after_all(system, path, data)
        assert len(get(system, "/realtime/channels/late/messages").json["items"]) == 1


def test_what_lies_about_of_no_upload_goes(tmp_path: Path) -> None:
    """Killed between the two halves of giving one up."""
    with a_system(tmp_path) as system:
        path, given_up = begin(system, 5), begin(system, 5)
        system.sql("DELETE FROM partial_uploads WHERE upload_id = ?", given_up.rsplit("/", 1)[1])
        system.stack.stop("api", signal.SIGKILL)
        system.stack.start_api()
        system.stack.wait_until_up()
        wait_until(lambda: not partial_of(system, given_up).exists())
        assert tus(system, "PATCH", path, b"abcde", Upload_Offset="0").status == 204


def test_a_kill_between_pieces_loses_nothing_and_time_ends_them(tmp_path: Path) -> None:
    data = large_text(900_000).encode()
    with a_system(tmp_path) as system:
        path, other = begin(system, len(data), filetype="text/plain"), begin(system, 5)
        for start in range(0, len(data), 300_000):
            assert offset_of(system, path) == start
            answer = tus(system, "PATCH", path, data[start:start + 300_000], Upload_Offset=str(start))
            assert answer.status == 204, answer.body
            system.stack.stop("api", signal.SIGKILL)
            system.stack.start_api()
            system.stack.wait_until_up()
        assert get(system, answer.headers["Content-Location"]).body == data
        system.sql("UPDATE partial_uploads SET expires_at = 1")
        system.stack.stop("api")
        system.stack.start_api()
        system.stack.wait_until_up()
        wait_until(lambda: tus(system, "HEAD", other).status == 404)
        wait_until(lambda: not list((system.stack.folder / "files" / "partial").iterdir()))
