"""The Python client over HTTP: event streams, REST and TLS, byte by byte."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from fake_http import HEAD, chunked, http_server
from fake_server import fake_server
from python_client import Hopeless, quick, run

from realtime import Message, RealtimeError, RestClient, ServerEvent, SSEClient, WebRTCRoom, WSClient
from realtime.routes import webrtc_rooms
from realtime.sse import EventParser

STREAM = (
    b"\xef\xbb\xbfretry: 1500\n\n: comment\nid: 1\nevent: notification\ndata: {\"a\":\ndata: 1}\n\n"
    b"id: 2\r\ndata: \"\xc3\xa9\"\r\n\r\nid: 3\r\rnonsense\revent: binary_data\rdata:[]\r\rid: 4\n\n"
    b"event: never\ndata: 1\n"
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_event_stream_is_read_in_any_pieces(size: int) -> None:
    parser = EventParser()
    events = [event for at in range(0, len(STREAM), size)
              for event in parser.feed(STREAM[at:at + size])]
    assert [(e.event, e.data, e.id) for e in events] == [
        ("notification", {"a": 1}, "1"), ("message", "é", "2"), ("binary_data", [], "3")]
    assert parser.last_event_id == "4" and parser.retry_s == 1.5


def test_a_long_event_is_read_in_linear_time() -> None:
    parser = EventParser()
    began = time.monotonic()
    events = list(parser.feed(b'data: "'))
    for _ in range(2000):
        events += parser.feed(b"x" * 8192)
    events += parser.feed(b'"\n\n')
    assert len(events[0].data) == 2000 * 8192 and time.monotonic() - began < 5


def test_a_stream_is_resumed_until_it_is_ended_for_good() -> None:
    async def work() -> None:
        answers = (
            chunked(b"retry: 1\n\nid: a1\ndata: 1", b"\n\nid: a2\nevent: notification\ndata: 2\n\n"),
            HEAD + b"\r\nid: a3\ndata: 3\n\nid: a4\ndata: half",
            b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
        )
        async with http_server(*answers) as (origin, heads):
            seen: list[ServerEvent] = []
            async with SSEClient(origin + "/realtime/events?x=1", ["a b", "ö"], api_key="k",
                                 backoff=quick()) as client:
                async for event in client.events():
                    seen.append(event)
        assert [(e.event, e.data) for e in seen] == [("message", 1), ("notification", 2),
                                                     ("message", 3)]
        assert heads[0].startswith("GET /realtime/events?x=1&channel=a+b&channel=%C3%B6 HTTP/1.1")
        assert "Authorization: ApiKey k" in heads[0] and "Last-Event-ID" not in heads[0]
        assert [head.split("Last-Event-ID: ")[1].split("\r")[0] for head in heads[1:]] == [
            "a2", "a3", "a3"]

    run(work())


def test_a_loop_over_events_goes_on_where_another_left_off() -> None:
    async def work() -> None:
        stream = chunked(b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: no JSON\n\n", b"id: 4\n")
        end = b"HTTP/1.1 204 No Content\r\n\r\n"
        async with http_server(stream, end) as (origin, heads):
            async with SSEClient(origin + "/", "c", backoff=quick()) as client:
                assert (await anext(client.events())).data == 1
                assert client.last_event_id == "1"
                async for event in client:
                    assert event.data == 2
                    break
                assert [event.data async for event in client] == ["no JSON"]
        assert "Last-Event-ID: 3" in heads[1]

    run(work())


def test_closing_ends_a_loop_over_events() -> None:
    async def work() -> None:
        server = await asyncio.start_server(serve_for_ever, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            client = SSEClient(url, "c")
            await client.connect()
            looping = asyncio.create_task(anext(client.events(), None))
            await asyncio.sleep(0.05)
            await client.close()
            assert await looping is None

    async def serve_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n: hello\n\n")
        await reader.read(-1)
        writer.close()

    run(work())


def test_a_stream_that_is_refused_says_why() -> None:
    async def work() -> None:
        problem = json.dumps({"code": "forbidden", "detail": "not for you",
                              "errors": [{"pointer": "/channel"}]}).encode()
        refusal = b"HTTP/1.1 403 No\r\nContent-Length: %d\r\n\r\n%s" % (len(problem), problem)
        async with http_server(refusal, b"HTTP/1.1 200 OK\r\n\r\n<html>", b"SSH-2.0\r\n") as (
                origin, _):
            with pytest.raises(RealtimeError) as error:
                await SSEClient(origin + "/", "c").connect()
            assert (error.value.code, error.value.field) == ("forbidden", "channel")
            with pytest.raises(RealtimeError) as error:
                await SSEClient(origin + "/", "c").connect()
            assert error.value.code == "bad_answer"
            with pytest.raises(RealtimeError) as error:
                await SSEClient(origin + "/", "c", open_timeout=Hopeless.TIME_S, backoff=Hopeless()).connect()
            assert error.value.code == "unreachable" and "HTTP/1.1" in error.value.detail

    run(work())


def test_a_silent_stream_is_opened_anew() -> None:
    async def work() -> None:
        opened = asyncio.Event()
        count = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + b"\r\n: hello\n\n")
            count += 1
            if count == 2:
                writer.write(b"data: 1\n\n")
            await reader.read()
            opened.set()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            async with SSEClient(url, "c", idle_timeout=0.2, backoff=quick()) as client:
                assert (await anext(client.events())).data == 1
            await opened.wait()

    run(work())


# ---- REST ----


def test_rest_gives_json_or_says_what_is_wrong() -> None:
    async def work() -> None:
        body = b'{"room_id":"r 1","etag":"e"}'
        answers = (
            b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"9\r\n{\"items\":\r\n3\r\n[]}\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            b"HTTP/1.1 409 Conflict\r\nRetry-After: 3\r\n\r\n{\"code\":\"room_exists\",\"detail\":\"d\"}",
            b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        )
        async with http_server(*answers) as (origin, heads):
            client = RestClient(origin)
            room = await webrtc_rooms.create(client, WebRTCRoom(name="Ö", max_participants=4))
            assert room["room_id"] == "r 1"
            assert heads[0].startswith("POST /realtime/webrtc/rooms HTTP/1.1\r\n")
            assert heads[0].endswith('{"name": "Ö", "max_participants": 4}')
            assert await webrtc_rooms.list_page(client, limit=3) == {"items": []}
            assert heads[1].startswith("GET /realtime/webrtc/rooms?limit=3 ")
            await webrtc_rooms.delete(client, "r 1")
            assert heads[2].startswith("DELETE /realtime/webrtc/rooms/r%201 ")
            for code, status in (("room_exists", 409), ("http_502", 502)):
                with pytest.raises(RealtimeError) as error:
                    await client.get("/x")
                assert (error.value.code, error.value.status) == (code, status)
            for _ in range(2):
                with pytest.raises(RealtimeError) as error:
                    await client.get("/x")
                assert error.value.code == "unreachable"
            with pytest.raises(ValueError):
                await client.get("/x", headers={"A": "b\r\nC: d"})

    run(work())


def test_a_key_is_not_shown_to_other_hosts() -> None:
    async def work() -> None:
        file = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
        async with http_server(file) as (ours, our_heads), http_server(file) as (other, heads):
            client = WSClient(ours.replace("http", "ws") + "/realtime/ws", api_key="rtk_secret")
            for url in (ours + "/realtime/files/f", other + "/f"):
                assert await client.download(Message(type="binary", url=url)) == b"abc"
            assert await client.download(Message(type="binary", url="/realtime/files/f")) == b"abc"
            assert all("rtk_secret" in head for head in our_heads) and len(our_heads) == 2
            assert "rtk_secret" not in heads[0]

    run(work())


def test_stored_notifications_are_asked_for_over_rest() -> None:
    async def work() -> None:
        body = b'{"items":[],"unread":0,"next":null}'
        answers = (b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body),
                   b"HTTP/1.1 204 No Content\r\n\r\n")
        async with http_server(*answers) as (origin, heads):
            client = WSClient(origin.replace("http", "ws") + "/realtime/ws")
            assert (await client.notifications(unread=True))["unread"] == 0
            await client.mark_notification_read("ntf_1")
            await client.mark_notification_read()
        assert [head.split(" HTTP")[0] for head in heads] == [
            "GET /realtime/notifications?unread=true&limit=50",
            "POST /realtime/notifications/ntf_1/read", "POST /realtime/notifications/read"]

    run(work())


def test_the_room_of_a_signals_target_is_asked_for() -> None:
    async def work() -> None:
        body = json.dumps({"connections": [{"peer_id": "peer_1", "room_id": "r1"}]}).encode()
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        async with http_server(answer) as (origin, heads):
            client = WSClient(origin.replace("http", "ws") + "/realtime/ws")
            assert await client._room_of("peer_1") == "r1"
            assert heads[0].startswith("GET /realtime/webrtc/connections ")
            with pytest.raises(RealtimeError) as error:
                await client.send_webrtc_signal("offer", "peer_2", sdp="v=0")
            assert error.value.code == "no_room" and "peer_2" in error.value.detail

    run(work())


def test_tls_is_spoken_and_a_strangers_certificate_refused(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key), "-out",
                    str(certificate), "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def work() -> None:
        stream = HEAD + b"\r\nid: 1\ndata: 1\n\n"
        async with http_server(stream, ssl_context=served) as (origin, _):
            async with SSEClient(origin + "/", "c", ssl=trusting) as client:
                assert (await anext(client.events())).data == 1
            with pytest.raises(RealtimeError) as error:
                await SSEClient(origin + "/", "c", open_timeout=Hopeless.TIME_S, backoff=Hopeless()).connect()
            assert "certificate" in error.value.detail.lower()
        async with fake_server(ssl=served) as server:
            async with WSClient(server.url, ssl=trusting) as client:
                await client.ping()
            with pytest.raises(RealtimeError) as error:
                await WSClient(server.url, open_timeout=Hopeless.TIME_S, backoff=Hopeless()).connect()
            assert "certificate" in error.value.detail.lower()

    run(work())
