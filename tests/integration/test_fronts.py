"""Each web server that we have a configuration for, with the real API and realtimed behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import time
from pathlib import Path

import pytest
from conftest import wait_until
from front_site import Site, site_fixture
from realtimed import connect, events
from tools import fronts

site = site_fixture()


def is_for_everybody(path: Path) -> bool:
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def test_requests_arrive_whole_and_answers_come_back_whole(site: Site) -> None:
    ask = site.stack.request
    made = ask("POST", "/realtime/webrtc/rooms", {"room_id": "r1", "name": "Zimmer ü"})
    assert made.status == 201 and made.json["name"] == "Zimmer ü"
    got = ask("GET", "/realtime/webrtc/rooms/r1")
    assert got.headers["ETag"] and got.headers["X-Request-Id"]
    assert ask("GET", "/realtime/webrtc/rooms/r1", headers={"If-None-Match": got.headers["ETag"]}).status == 304
    stale = ask("PUT", "/realtime/webrtc/rooms/r1", {"name": "b"}, {"If-Match": '"0-0"'})
    assert stale.status == 412 and stale.headers["Content-Type"] == "application/problem+json"
    assert ask("DELETE", "/realtime/webrtc/rooms/r1").status == 204
    # Authorization arrives, and its scheme is understood.
    refused = ask("GET", "/realtime/connections", headers={"Authorization": "Bearer rtk_none"})
    assert refused.status == 401 and refused.json["code"] == "bad_api_key"
    assert ask("GET", "/realtime/connections?limit=x").fields == ["/limit"]
    assert ask("PATCH", "/realtime/send").headers["Allow"]
    big = ask("POST", "/realtime/send", {"channel": "c", "data": "x" * 900000})
    assert big.status == 201
    assert ask("POST", "/realtime/send", {"channel": "c", "data": "x" * 2000000}).json["code"] == "body_too_big"


def test_files_go_up_and_come_back_whole_and_in_part(site: Site) -> None:
    ask = site.stack.request
    data = b"OggS\0\2" + os.urandom(3 << 20)
    kept = ask("PUT", "/realtime/files?filename=noise.ogg", data, {"Content-Type": "audio/ogg"})
    assert kept.status == 201 and kept.json["size"] == len(data)
    url = kept.json["url"]
    got = ask("GET", url)
    assert got.status == 200 and got.body == data and got.headers["Content-Type"] == "audio/ogg"
    told = ask("HEAD", url)
    assert told.headers["ETag"] == got.headers["ETag"] and not told.body
    if site.front != "apache":  # which drops the length of what it does not send
        assert told.headers["Content-Length"] == str(len(data))
    part = ask("GET", url, headers={"Range": "bytes=1000000-1000999"})
    assert part.status == 206 and part.body == data[1000000:1001000]
    assert part.headers["Content-Range"] == f"bytes 1000000-1000999/{len(data)}"
    assert ask("GET", url, headers={"If-None-Match": got.headers["ETag"]}).status == 304
    assert ask("DELETE", url).status in (204, 401, 403)


@pytest.mark.parametrize("header", ["X-Real-IP", "X-Forwarded-For", "x-real-ip"])
def test_nobody_says_himself_where_he_comes_from(site: Site, header: str) -> None:
    """Or he had as many connections, and tries of a password, as he liked."""
    room = site.stack.request("POST", "/realtime/webrtc/rooms", {"mode": "mesh", "password": "right"}).json

    async def guess(address: str) -> str:
        async with connect(site, f"/realtime/webrtc/signaling?room_id={room['room_id']}",
                           extra_headers={"X-Room-Password": "wrong", header: address}) as client:
            return (await client.hear("error"))["code"]

    async def run() -> list[str]:
        return [await guess(f"198.51.100.{i}") for i in range(5)] + [await guess("1" * 600), await guess("127.0.0.1")]

    assert asyncio.run(run()) == ["wrong_password"] * 5 + ["too_many_guesses"] * 2


@pytest.mark.parametrize("path", ["/realtime//webrtc/rooms", "/realtime/channels/a%2fb", "/realtime/webrtc/../send"])
def test_paths_that_are_not_plain_reach_nothing(site: Site, path: str) -> None:
    # A server may resolve dots by itself; what it makes of them is a path of ours with another method.
    assert site.stack.request("GET", path).status in (400, 404, 405)


def test_a_body_without_a_length_is_read_to_its_end(site: Site) -> None:
    if site.front != "nginx" and (site.front, site.stack.gateway) != ("apache", "fastcgi"):
        pytest.skip("this server hands on no body before it knows the length")
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    body = json.dumps({"channel": "c", "data": 1}).encode()
    connection.request("POST", "/realtime/send", iter([body[:5], body[5:]]),
                       {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 201
    connection.close()


def test_websockets_and_event_streams_pass_at_once(site: Site) -> None:
    async def run() -> None:
        async with connect(site, origin=f"http://127.0.0.1:{site.port}") as client, \
                events(site, "channel=c", version="1.0") as stream:
            assert (await client.hear("welcome"))["connection_id"]
            assert stream.headers.get("content-type", stream.headers.get("Content-Type", "")).startswith(
                "text/event-stream")
            await stream.begun()
            await client.say(type="subscribe", channel="c")
            await client.hear("subscribed")
            for number in range(5):
                began = time.monotonic()
                await asyncio.to_thread(site.stack.request, "POST", "/realtime/send",
                                        {"channel": "c", "data": number})
                assert (await client.hear("message"))["data"] == number
                assert (await stream.next())[1]["data"] == number
                assert time.monotonic() - began < 2
            await client.say(type="message", channel="c", data="x" * 300000)
            assert len((await client.hear("message"))["data"]) == 300000
            assert len((await stream.next())[1]["data"]) == 300000

    asyncio.run(run())


def test_many_connections_leave_room_for_requests(site: Site) -> None:
    async def run() -> None:
        clients = [await connect(site).__aenter__() for _ in range(60)]
        try:
            for client in clients:
                await client.hear("welcome")
            began = time.monotonic()
            for _ in range(20):
                assert (await asyncio.to_thread(site.stack.request, "GET", "/health/live")).status == 200
            assert time.monotonic() - began < 5
        finally:
            for client in clients:
                await client.socket.close()

    asyncio.run(run())


def test_pages_are_served(site: Site) -> None:
    if site.front == "apache" and os.geteuid() == 0 and not is_for_everybody(fronts.ROOT / "www" / "x"):
        pytest.skip("Apache's user cannot read this checkout")
    for path, kind in (("/", "text/html"), ("/realtime/test", "text/html"), ("/realtime/sse-test", "text/html"),
                       ("/realtime/docs", "text/html"),
                       ("/realtime/static/realtime.js", "javascript"), ("/realtime/static/style.css", "text/css")):
        answer = site.stack.request("GET", path)
        assert answer.status == 200 and kind in answer.headers["Content-Type"], path
        assert answer.headers["Cache-Control"] == "no-cache"
    assert site.stack.request("GET", "/realtime/static/../../dev").status in (400, 404)
    assert site.stack.request("GET", "/elsewhere").status == 404


def test_no_secret_reaches_the_logs_of_the_server(site: Site) -> None:
    def logs() -> str:
        return "".join(log.read_text(errors="replace") for log in (site.stack.folder / "log").iterdir())

    site.stack.request("GET", "/realtime/events?token=rtk_secret_of_somebody")
    site.stack.request("GET", "/realtime/webrtc/rooms/the-last-one?api_key=rtk_secret_of_somebody")
    if site.front != "caddy":  # which keeps no access log
        wait_until(lambda: "the-last-one" in logs(), 15)
    assert "secret_of_somebody" not in logs()


def test_without_the_api_the_answer_is_503_and_it_comes_back(site: Site) -> None:
    site.stack.stop("api")
    answer = site.stack.request("GET", "/realtime/webrtc/rooms")
    assert answer.status == 503, answer.body
    if site.front != "lighttpd":
        assert answer.json["status"] == 503
    assert site.stack.request("GET", "/health").status == 503
    site.stack.start_api()
    wait_until(lambda: site.stack.try_get("/realtime/webrtc/rooms") == 200)
