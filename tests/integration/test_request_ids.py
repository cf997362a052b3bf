"""One request has one name, X-Request-Id, in the answer and in the logs of every process that had to do with it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
import websockets
from conftest import wait_until
from contract_world import SDP, Sfu
from front_site import Site, site_fixture

ROOMS = "/realtime/webrtc/rooms"

site = site_fixture(REALTIME_LOG_LEVEL="debug", REALTIME_LOG_LEVEL_WEBSOCKET="debug")


def api_log(site: Site) -> str:
    return (site.stack.folder / "api.log").read_text()


def lines_of(log: str, request_id: str) -> list[str]:
    return [line for line in log.splitlines() if re.search(rf"\brequest={re.escape(request_id)}(\s|$)", line)]


def access_log(site: Site) -> Path:
    return site.stack.folder / "log" / "access.log"


def test_a_name_that_was_given_is_kept(site: Site) -> None:
    name = "trace-1.of:my_own"
    answer = site.stack.request("GET", ROOMS, headers={"X-Request-Id": name})
    assert answer.headers.get_all("X-Request-Id") == [name]
    assert lines_of(api_log(site), name)
    if site.front != "caddy":  # which keeps no access log here
        wait_until(lambda: name in access_log(site).read_text(), 15)


@pytest.mark.parametrize("given", [None, "odd one", "x" * 65])
def test_one_without_a_name_gets_one(site: Site, given: str | None) -> None:
    answer = site.stack.request("GET", ROOMS + "/nowhere", headers={"X-Request-Id": given} if given else {})
    name = answer.headers["X-Request-Id"]
    assert re.fullmatch(r"[A-Za-z0-9_.:-]{8,64}", name) and answer.json["request_id"] == name
    assert any("request_refused" in line for line in lines_of(api_log(site), name))
    if site.front != "caddy":
        wait_until(lambda: name in access_log(site).read_text(), 15)


def test_realtimed_names_what_it_did_for_it(site: Site) -> None:
    answer = site.stack.request("POST", "/realtime/send", {"channel": "c", "data": 1}, {"X-Request-Id": "trace-2"})
    assert answer.status == 201
    assert any("bus_request" in line and "publish" in line for line in lines_of(site.daemon.log(), "trace-2"))


def test_the_media_server_hears_the_name(site: Site) -> None:
    """Also when realtimed had to look the room up in between; and no peer hears it."""
    sfu = Sfu(site.daemon.bus)
    asked: list[dict] = []
    sfu.peer.answer_join = lambda body: asked.append(dict(sfu.peer.last_body)) or {"sdp": "v=0"}
    try:
        assert site.stack.request("POST", ROOMS, {"room_id": "named"}).status in (201, 409)
        answer = site.stack.request("POST", f"{ROOMS}/named/whip", b"v=0", {"Content-Type": SDP, "X-Request-Id": "trace-3"})
        assert answer.status == 201, answer.body
        assert asked[0]["request"] == "trace-3"
    finally:
        sfu.close()


def test_realtimed_answers_by_the_name(site: Site) -> None:
    answer = site.stack.request("GET", "/realtime/ws", headers={"X-Request-Id": "trace-4"})
    assert answer.status == 400 and answer.headers["X-Request-Id"] == answer.json["request_id"] == "trace-4"
    assert any("refused" in line for line in lines_of(site.daemon.log(), "trace-4"))

    async def run() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{site.port}/realtime/ws", extra_headers={"X-Request-Id": "trace-5"}) as client:
            assert "welcome" in await client.recv()

    asyncio.run(run())
    assert any("admitted" in line and "connection=conn_" in line for line in lines_of(site.daemon.log(), "trace-5"))


def test_what_is_not_about_a_request_names_none(site: Site) -> None:
    """A thread, or the loop, does not go on under the name of the one before."""
    assert site.stack.request("GET", ROOMS, headers={"X-Request-Id": "trace-6"}).status == 200
    site.daemon.process.kill()
    site.daemon.process.wait()
    site.daemon.start()
    wait_until(lambda: site.stack.request("GET", "/health").json["checks"]["realtimed"] == "ok")
    for log in (api_log(site), site.daemon.log()):
        assert not [line for line in log.splitlines() if "bus_connected" in line and "request=" in line]
