"""The whole system as ./dev up starts it: media by WHIP and WHEP, kills, and junk on the media port.

Runs in a network namespace of its own (tests/browser/in-namespace.sh), where media has an address
that a WebRTC client accepts.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import json
import os
import re
import socket
import sqlite3
import struct
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import exposition
import pytest
import websockets
from answer import SDP
from conftest import wait_until
from contract import Contract
from system import BUILD, ROOMS, ROOT, System

HERE = Path(__file__).resolve().parent
PION = BUILD / "tests" / "pion_client"
OFFER = (ROOT / "tests" / "fixtures" / "sdp" / "webrtcbin_offer.sdp").read_text()
PROGRAMS = ("api", "realtimed", "sfu")
GATEWAYS = ("fastcgi", "scgi")
# Of media, which comes to the relay the same way whatever the web server speaks.
with_either_gateway = pytest.mark.parametrize("system", GATEWAYS[:1], indirect=True)


@pytest.fixture(scope="module", params=GATEWAYS)
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
           ) -> Iterator[System]:
    it = System(tmp_path_factory.mktemp("system"), request.param)
    it.start()
    yield it
    it.stop()


@pytest.fixture
def own_system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[System]:
    """One that the test may break; parametrize indirectly with a gateway."""
    it = System(tmp_path, getattr(request, "param", "fastcgi"))
    yield it
    it.stop()


# ---- chat ----


class Chat:
    """A WebSocket to /realtime/ws through the web server."""

    def __init__(self, connection: websockets.WebSocketClientProtocol) -> None:
        self.connection = connection

    async def say(self, **message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self, kind: str) -> dict:
        while True:
            message = json.loads(await asyncio.wait_for(self.connection.recv(), 10))
            if message["type"] == kind:
                return message

    async def subscribe(self, channel: str) -> tuple[dict, list[dict]]:
        """The answer, and what it replays."""
        await self.say(type="subscribe", channel=channel)
        answer = await self.hear("subscribed")
        return answer, [await self.hear("message") for _ in range(answer["replay_count"])]


def in_chat(system: System, talk: Callable) -> None:
    async def run() -> None:
        async with websockets.connect(f"ws://127.0.0.1:{system.port}/realtime/ws",
                                      close_timeout=1) as connection:
            await talk(Chat(connection))

    asyncio.run(run())


def test_what_is_published_reaches_websocket_and_sse(system: System) -> None:
    stream = http.client.HTTPConnection("127.0.0.1", system.port, timeout=10)
    stream.request("GET", "/realtime/events?channel=news")
    events = stream.getresponse()
    assert events.status == 200

    async def talk(chat: Chat) -> None:
        await chat.subscribe("news")
        await chat.say(type="message", channel="news", data="by WebSocket", id=1)
        assert (await chat.hear("message"))["data"] == "by WebSocket"
        answer = await asyncio.to_thread(system.request, "POST", "/realtime/send",
                                         {"channel": "news", "data": "by REST"})
        assert answer.status == 201 and answer.json["delivered_to"] == 2
        heard = await chat.hear("message")
        assert heard["data"] == "by REST" and heard["offset"] == answer.json["offset"]

    in_chat(system, talk)
    heard: list[str] = []
    while len(heard) < 2:
        line = events.readline().decode()
        assert line, "the stream has ended"
        if line.startswith("data: "):
            heard.append(json.loads(line[6:])["data"])
    assert heard == ["by WebSocket", "by REST"]
    stream.close()


# ---- what is acknowledged stays ----


@pytest.mark.parametrize("own_system,way", [("fastcgi", "websocket"), ("fastcgi", "rest"),
                                            ("scgi", "rest")], indirect=["own_system"])
def test_kill_9_after_the_acknowledgement_loses_nothing(own_system: System, way: str) -> None:
    system = own_system
    epochs: set[str] = set()

    async def talk(chat: Chat) -> None:
        answer, replayed = await chat.subscribe("kept")
        assert [message["data"] for message in replayed] == list(range(round_number))
        assert [message["offset"] for message in replayed] == list(range(1, round_number + 1))
        assert all(message["replayed"] for message in replayed)
        assert answer["offset"] == round_number
        body = {"channel": "kept", "data": round_number, "persistent": True}
        if way == "websocket":
            await chat.say(type="message", id="x", **body)
            acknowledged = await chat.hear("ack")
        else:
            acknowledged = system.request("POST", "/realtime/send", body).json
        system.kill(*PROGRAMS)
        assert acknowledged["offset"] == round_number + 1
        epochs.add(acknowledged["epoch"])

    for round_number in range(10):
        system.start()
        in_chat(system, talk)
        system.stop()
    assert len(epochs) == 1
    with sqlite3.connect(system.data / "realtime.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (10,)


# ---- one process is gone ----

HEALTH = {"api": "/health", "realtimed": "/realtime/health", "sfu": "/realtime/webrtc/health"}


def rooms_can_be_read_and_changed(system: System) -> None:
    assert system.request("POST", ROOMS, {"room_id": "after", "name": "a"}).status == 201
    assert system.request("PUT", f"{ROOMS}/after", {"name": "b"}).status == 200
    assert system.request("GET", f"{ROOMS}/after").json["name"] == "b"
    assert system.request("DELETE", f"{ROOMS}/after").status == 204


def chat_works(system: System) -> None:
    async def talk(chat: Chat) -> None:
        await chat.subscribe("c")
        await chat.say(type="message", channel="c", data="still here", persistent=True)
        assert (await chat.hear("message"))["data"] == "still here"

    in_chat(system, talk)


@pytest.mark.parametrize("own_system", GATEWAYS, indirect=True)
@pytest.mark.parametrize("name", PROGRAMS)
def test_one_dead_process_is_red_and_the_others_serve(own_system: System, name: str) -> None:
    system = own_system
    system.start()
    system.kill(name)

    def is_red() -> bool:
        answer = system.request("GET", HEALTH[name])
        return answer.status == 503 and answer.json["status"] == "down"

    wait_until(is_red, 2)
    for other in PROGRAMS:
        if other not in (name, "api"):
            # realtimed may hear of the SFU a moment after the API, which asks it directly.
            wait_until(lambda: system.request("GET", HEALTH[other]).status == 200, 2)
            assert system.request("GET", HEALTH[other]).json["status"] == "ok", other
    if name != "api":
        whole = system.request("GET", "/health")
        assert (whole.status, whole.json["status"]) == (200, "degraded")
        assert whole.json["checks"][name] == "down"
        rooms_can_be_read_and_changed(system)
    if name != "realtimed":
        chat_works(system)


# ---- media ----


def media_client(*arguments: object, program: str = "webrtc_client.py") -> subprocess.Popen[str]:
    command = [str(PION)] if program == PION.name else ["/usr/bin/python3", str(HERE / program)]
    # Its own memory is not what is tested: Python and GStreamer's plugins keep what they like.
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        env={**os.environ, "G_DEBUG": ""}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True)


def result_of(client: subprocess.Popen[str]) -> dict:
    output, errors = client.communicate(timeout=90)
    assert client.returncode == 0, errors
    return json.loads(output)


FRAMES = 200  # nearly 7 s: longer than there is between two checks of consent (RFC 7675)


def start_publishing(system: System, room_id: str) -> subprocess.Popen[str]:
    system.create_room(room_id)
    publisher = media_client("publish", system.url(f"{ROOMS}/{room_id}/whip"), 120)
    wait_until(lambda: is_publishing(system, room_id), 30)
    return publisher


def start_watching(system: System, room_id: str, query: str = "") -> subprocess.Popen[str]:
    return media_client("watch", system.url(f"{ROOMS}/{room_id}/whep{query}"), 60, 1, FRAMES)


def is_publishing(system: System, room_id: str) -> bool:
    return [len(one["tracks"]) for one in system.participants(room_id)] == [2]


def assert_seen_and_heard(result: dict) -> None:
    assert result.get("video_frames", 0) >= FRAMES, result
    assert result.get("audio_buffers", 0) >= FRAMES, result
    assert result["audio_rms_db"] > -30, result
    assert result["deleted"] in (200, 204)


def assert_it_is_told_how_the_call_fares(system: System, room_id: str) -> None:
    """By REST, as the OpenAPI document has it to the last field, and on the page for Prometheus."""
    contract = Contract()
    key = {"Authorization": f"Bearer {system.key}"}

    def peers() -> list[dict]:
        answer = system.request("GET", f"{ROOMS}/{room_id}/stats", headers=key)
        contract.judge(contract.operations["callStats"], answer)
        return answer.json["peers"]

    def reported() -> list[dict]:
        return [one for peer in peers() for one in peer["subscriptions"] if one.get("reported") and one["bitrate_bps"]]

    wait_until(lambda: any(one["kind"] == "video" for one in reported()), 30)
    (publisher,) = [peer for peer in peers() if peer["kind"] == "whip"]
    assert publisher["bitrate_in_bps"] > 0 and publisher["packets_in"] > 0
    assert any(peer["rtt_ms"] is not None for peer in peers() if peer["kind"] == "whep")
    page = system.request("GET", "/metrics", headers=key)
    contract.judge(contract.operations["metrics"], page)
    values = exposition.values_of(page.body.decode())
    assert values["realtime_sfu_connected"] == 1 and values['realtime_sfu_worker_up{worker="0"}'] == 1
    assert values['realtime_sfu_transports{worker="0",state="connected"}'] >= 2
    for name in ("bytes_in_total", "bytes_out_total", "round_trip_seconds_count", "forwarding_seconds_count"):
        assert values[f'realtime_sfu_{name}{{worker="0"}}'] > 0, name


def test_whip_is_watched_by_whep(system: System) -> None:
    publisher = start_publishing(system, "stage")
    (present,) = system.participants("stage")
    assert present["kind"] == "whip"
    publisher_id = present["peer_id"]
    everyone = start_watching(system, "stage")
    chosen = start_watching(system, "stage", f"?publisher={publisher_id}")
    assert_it_is_told_how_the_call_fares(system, "stage")
    assert_seen_and_heard(result_of(everyone))
    assert_seen_and_heard(result_of(chosen))
    publisher.terminate()
    published = result_of(publisher)
    assert published["location"].rsplit("/", 1)[1] == publisher_id
    assert published["deleted"] in (200, 204)
    assert system.participants("stage") == []
    again = system.request("DELETE", published["location"].split(str(system.port), 1)[1])
    assert again.status == 404

    def rows() -> list[tuple[str, bool]]:
        with sqlite3.connect(system.data / "realtime.db") as database:
            return database.execute("SELECT kind, left_at IS NULL FROM participant_sessions"
                                    " WHERE room_id = 'stage' ORDER BY joined_at").fetchall()

    wait_until(lambda: rows() == [("whip", 0), ("whep", 0), ("whep", 0)])


def meet(system: System, publisher: str, viewer: str, *film: Path) -> dict:
    """What the one publishes, the other sees and hears. The publisher's result, when it has gone."""
    room = f"{publisher[:6]}-{viewer[:6]}"
    system.create_room(room)
    sender = media_client("publish", system.url(f"{ROOMS}/{room}/whip"), 120, *film, program=publisher)
    wait_until(lambda: is_publishing(system, room), 30)
    result = result_of(media_client("watch", system.url(f"{ROOMS}/{room}/whep"), 60, 1, 60, program=viewer))
    sounds = result.get("audio_frames", result.get("audio_buffers", 0))
    assert result["video_frames"] >= 60 and sounds >= 60, result
    sender.terminate()
    told = result_of(sender)
    assert system.participants(room) == []
    return told


@with_either_gateway
@pytest.mark.parametrize("publisher, viewer", [("aiortc_client.py", "aiortc_client.py"),
                                               ("aiortc_client.py", "webrtc_client.py"),
                                               ("webrtc_client.py", "aiortc_client.py")])
def test_stacks_of_others_meet(system: System, publisher: str, viewer: str) -> None:
    """aiortc has its own ICE, DTLS and congestion control (REMB)."""
    assert meet(system, publisher, viewer)["video_frames" if publisher == "aiortc_client.py" else "deleted"]


@with_either_gateway
def test_who_estimates_by_the_time_of_sending_is_sent_it(system: System) -> None:
    """aiortc tells what its way carries (REMB) once it has seen for 3 s when the relay sends, and how it arrives."""
    publisher = start_publishing(system, "times")
    viewer = media_client("watch-silently", system.url(f"{ROOMS}/times/whep"), 60, program="aiortc_client.py")
    wait_until(lambda: (system.estimate_of("times", "whep") or 0) > 0, 30)
    for client in (viewer, publisher):
        client.terminate()
        assert result_of(client)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of VP8, which Pion cannot make by itself."""
    av, numpy = pytest.importorskip("av"), pytest.importorskip("numpy")
    path = tmp_path_factory.mktemp("film") / "film.ivf"
    with av.open(str(path), "w", format="ivf") as container:
        stream = container.add_stream("libvpx", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for count in range(30):
            image = numpy.zeros((240, 320, 3), dtype=numpy.uint8)
            image[100:140, count * 8:count * 8 + 40] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.skipif(not PION.exists(), reason="needs golang-go and golang-github-pion-webrtc.v3-dev")
@with_either_gateway
@pytest.mark.parametrize("publisher, viewer", [("pion_client", "pion_client"),
                                               ("pion_client", "aiortc_client.py"),
                                               ("webrtc_client.py", "pion_client")])
def test_pion_meets_the_others(system: System, film: Path, publisher: str, viewer: str) -> None:
    """Pion has its own ICE, DTLS and transport-wide feedback; Go's services are made of it."""
    assert meet(system, publisher, viewer, *([film] if publisher == PION.name else []))["deleted"] in (200, 204)


@pytest.mark.skipif(not PION.exists(), reason="needs golang-go and golang-github-pion-webrtc.v3-dev")
@with_either_gateway
def test_ice_is_restarted_by_patch(system: System, film: Path) -> None:
    """Of who publishes and of who watches (RFC 9725 section 4.3.2); the media goes on."""
    room = "restarts"
    system.create_room(room)
    publisher = media_client("publish", system.url(f"{ROOMS}/{room}/whip"), 90, film, 60, program=PION.name)
    wait_until(lambda: is_publishing(system, room), 30)
    viewer = media_client("watch", system.url(f"{ROOMS}/{room}/whep"), 60, 1, FRAMES, 90, program=PION.name)
    seen = result_of(viewer)
    publisher.terminate()
    sent = result_of(publisher)
    assert seen["video_frames"] >= FRAMES and seen["audio_frames"] >= FRAMES, seen
    for client in (seen, sent):
        restart = client["restart"]
        assert client["etag"] and restart["etag"] not in ("", client["etag"]), client
        # To ask once more restarts nothing, and tells what was told.
        assert (restart["trickled"], restart["stale"], restart["again"]) == (204, 412, 200), client
        assert restart["etag_again"] == restart["etag"] and client["deleted"] == 204, client
    log = (system.data / "log" / "sfu.log").read_text()
    assert len(re.findall(rf"ice_restarted .*room={room}\b", log)) == 2, log[-2000:]


def test_a_kicked_publisher_is_gone_from_the_relay(own_system: System) -> None:
    system = own_system
    system.start()
    publisher = start_publishing(system, "stopped")
    viewer = media_client("watch", system.url(f"{ROOMS}/stopped/whep"), 60, 1, 0)
    wait_until(lambda: system.worker()["subscriptions"] == 2, 30)
    (present,) = system.participants("stopped")
    assert system.request("DELETE", f"{ROOMS}/stopped/participants/{present['peer_id']}").status == 204
    assert system.participants("stopped") == []
    wait_until(lambda: (system.worker()["tracks"], system.worker()["subscriptions"]) == (0, 0), 2)
    publisher.terminate()
    assert result_of(publisher)["deleted"] == 404  # its session ended with it
    viewer.terminate()
    assert result_of(viewer)["deleted"] == 204


@with_either_gateway
@pytest.mark.parametrize("codec", ["VP9", "H264"])
def test_other_codecs_are_watched_as_well(system: System, codec: str) -> None:
    """The viewer comes late, to a publisher that makes a keyframe only when it is asked for one."""
    room = f"codec-{codec.lower()}"
    system.create_room(room, codecs=[codec])
    publisher = media_client("publish", system.url(f"{ROOMS}/{room}/whip"), 120, codec)
    wait_until(lambda: is_publishing(system, room), 30)
    (present,) = system.participants(room)
    assert sorted(track["codec"] for track in present["tracks"]) == sorted([codec, "opus"])
    url = system.url(f"{ROOMS}/{room}/whep")
    result = result_of(media_client("watch", url, 60, 1, 60, codec))
    assert result["video_frames"] >= 60 and result["audio_rms_db"] > -30, result
    # Who offers another codec is told what it is that it does not offer.
    viewer = OFFER.replace("a=sendrecv", "a=recvonly")
    answer = system.request("POST", f"{ROOMS}/{room}/whep", viewer, SDP)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_codec"), answer.body
    assert codec in answer.json["detail"]
    # And who would publish in another, what the room takes.
    answer = system.request("POST", f"{ROOMS}/{room}/whip", OFFER, SDP)
    assert (answer.status, answer.json["code"]) == (415, "unsupported_codec"), answer.body
    assert f"({codec})" in answer.json["detail"]
    publisher.terminate()
    result_of(publisher)


def test_one_name_of_a_request_stands_in_all_logs(system: System) -> None:
    system.create_room("named")
    answer = system.request("POST", f"{ROOMS}/named/whip", OFFER, {**SDP, "X-Request-Id": "trace-all"})
    assert answer.status == 201 and answer.headers["X-Request-Id"] == "trace-all"
    assert system.request("DELETE", answer.headers["Location"]).status == 204
    sfu = (system.data / "log" / "sfu.log").read_text()
    assert re.search(r"peer_joined request=trace-all\b", sfu), sfu[-2000:]
    wait_until(lambda: "trace-all" in (system.data / "log" / "access.log").read_text(), 15)


def without(*prefixes: str) -> str:
    return "".join(line for line in OFFER.splitlines(keepends=True)
                   if not line.startswith(prefixes))


@pytest.mark.parametrize("offer,status,code,field", [
    (without("a=ice-ufrag", "a=ice-pwd"), 400, "bad_sdp", "a=ice-ufrag"),
    (without("a=fingerprint"), 400, "bad_sdp", "a=fingerprint"),
    (without("a=group:BUNDLE"), 400, "bad_sdp", "a=group:BUNDLE"),
    (without("a=rtcp-mux"), 400, "bad_sdp", "a=rtcp-mux"),
    (OFFER.replace("VP8", "H265"), 415, "unsupported_codec", "m="),
    ("hello", 400, "bad_sdp", "v="),
    pytest.param(OFFER + "a=" + 70_000 * "x", 413, "bad_sdp", None, id="long"),
    pytest.param(OFFER + "a=" + 200_000 * "x", 413, "bad_sdp", None, id="very long"),
])
def test_an_offer_that_cannot_work_is_told_why(system: System, offer: str, status: int,
                                               code: str, field: str | None) -> None:
    room = f"refuses{abs(hash(offer))}"
    system.create_room(room)
    answer = system.request("POST", f"{ROOMS}/{room}/whip", offer, SDP)
    assert (answer.status, answer.json.get("code")) == (status, code), answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert field is None or any(field in pointer for pointer in answer.fields), answer.json
    assert answer.json["detail"]
    assert system.participants(room) == []


def test_who_is_not_there_is_named(system: System) -> None:
    missing = system.request("POST", f"{ROOMS}/nowhere/whip", OFFER, SDP)
    assert (missing.status, missing.json["code"]) == (404, "room_not_found")
    system.create_room("empty")
    viewer = OFFER.replace("a=sendrecv", "a=recvonly")
    answer = system.request("POST", f"{ROOMS}/empty/whep?publisher=ghost", viewer, SDP)
    assert (answer.status, answer.json["code"]) == (404, "unknown_publisher")
    assert answer.fields and "publisher" in answer.fields[0] and "ghost" in answer.json["detail"]
    assert system.participants("empty") == []


# ---- junk on the media port ----


def stun_check(username: str, password: str) -> bytes:
    """A connectivity check (RFC 8489, RFC 8445 section 7.1) signed with `password`."""
    name = username.encode()
    attributes = struct.pack(">HH", 0x0006, len(name)) + name + bytes(-len(name) % 4)
    attributes += struct.pack(">HHI", 0x0024, 4, 1) + struct.pack(">HHQ", 0x802A, 8, 1)

    def head(more: int) -> bytes:
        return struct.pack(">HHI", 0x0001, len(attributes) + more, 0x2112A442) + b"transaction!"

    digest = hmac.new(password.encode(), head(24) + attributes, hashlib.sha1).digest()
    attributes += struct.pack(">HH", 0x0008, 20) + digest
    crc = zlib.crc32(head(8) + attributes) ^ 0x5354554E
    return head(8) + attributes + struct.pack(">HHI", 0x8028, 4, crc)


@with_either_gateway
def test_junk_is_counted_and_dropped_and_the_call_goes_on(system: System) -> None:
    publisher = start_publishing(system, "target")
    viewer = start_watching(system, "target")
    # A session whose name and password we know, for checks that are nearly right.
    system.create_room("known")
    answer = system.request("POST", f"{ROOMS}/known/whip", OFFER, SDP)
    assert answer.status == 201
    sdp = answer.body.decode()
    name = re.search(r"a=ice-ufrag:(\S+)", sdp)[1] + ":peer"
    password = re.search(r"a=ice-pwd:(\S+)", sdp)[1]
    right = stun_check(name, password)

    rtp = struct.pack(">BBHII", 0x80, 96, 1, 2, 3) + bytes(100)
    rtcp = struct.pack(">BBHI", 0x80, 201, 1, 3) + bytes(40)
    dtls = bytes([22, 254, 253]) + bytes(8) + struct.pack(">H", 40) + bytes(40)
    junk = {
        "dropped_malformed": [b"\xff" * 50, b"\x50", b"", b"\x80" * 9000, bytes(3000)],
        "dropped_unknown": [rtp, rtcp, dtls, stun_check("nobody:peer", "x" * 24)],
        "dropped_forged": [stun_check(name, "wrong" * 5), right[:-1] + bytes([right[-1] ^ 1])],
    }
    before = system.worker()
    repeats = 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        for _ in range(repeats):
            for kind in junk.values():
                for datagram in kind:
                    sender.sendto(datagram, ("127.0.0.1", system.port + 2))
            time.sleep(0.005)
        # Cut short anywhere, a check opens nothing and is answered by nothing.
        for length in range(len(right)):
            sender.sendto(right[:length], ("127.0.0.1", system.port + 2))
        time.sleep(0.3)
        sender.setblocking(False)
        with pytest.raises(BlockingIOError):
            sender.recv(2048)
        after = system.worker()
        for counter, datagrams in junk.items():
            assert after[counter] - before[counter] >= repeats * len(datagrams), counter
        dropped = sum(after[counter] - before[counter] for counter in junk)
        assert dropped >= repeats * sum(map(len, junk.values())) + len(right)
        # And the whole one is answered.
        sender.settimeout(5)
        sender.sendto(right, ("127.0.0.1", system.port + 2))
        assert sender.recv(2048)[:2] == b"\x01\x01"
    assert_seen_and_heard(result_of(viewer))
    publisher.terminate()
    assert result_of(publisher)["deleted"] in (200, 204)
    assert system.worker()["alive"]
