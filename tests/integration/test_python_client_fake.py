"""The Python client towards a server that does what a real one does seldom, or not yet."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fake_server import FakeServer, fake_server
from python_client import quick, run, take

from realtime import Backoff, Message, RealtimeError, WSClient, native


def test_every_request_has_the_names_of_the_protocol() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url) as client:
            await client.subscribe_to_channel(
                "user_7", {"notification_types": ["message", "call"]}, history=5, presence=True,
                join_leave=True)
            await client.subscribe_to_channel("chat_*", recover={"epoch": "e", "offset": 4, "x": 1})
            await client.send_direct("bob", {"a": None})
            await client.broadcast(None)
            await client.send_notification("T", "B", user_id="bob", notification_type="call",
                                           data={"n": 1}, ttl=60)
            await client.send_to_channel("c", 1, persistent=True, ttl=5, tags={"t": "x"},
                                         idempotency_key="k")
            await client.send_text("hi")
            await client.unsubscribe("user_7")
            server.answers["presence"] = lambda said: {
                "type": "presence", "channel": said["channel"], "members": [{"user_id": "bob"}],
                "version": 3}
            presence = await client.presence("c")
            assert presence["members"] == [{"user_id": "bob"}] and presence["version"] == 3
        said = [{k: v for k, v in message.items() if k != "id"} for message in server.received]
        assert said == [
            {"type": "subscribe", "channel": "user_7",
             "filters": {"notification_types": ["message", "call"]}, "history": {"limit": 5},
             "presence": True, "join_leave": True},
            {"type": "subscribe", "channel": "chat_*"},
            {"type": "direct", "user_id": "bob", "data": {"a": None}},
            {"type": "broadcast", "data": None},
            {"type": "notification", "title": "T", "body": "B", "user_id": "bob",
             "notification_type": "call", "data": {"n": 1}, "ttl": 60},
            {"type": "message", "channel": "c", "data": 1, "persistent": True, "ttl": 5,
             "tags": {"t": "x"}, "idempotency_key": "k"},
            {"type": "text", "data": "hi"},
            {"type": "unsubscribe", "channel": "user_7"},
            {"type": "presence", "channel": "c"},
        ]

    run(work())


def test_what_others_do_is_heard() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url) as client:
            notified: list[Message] = []
            await client.subscribe_to_channel("user_ann")
            said = [
                {"type": "notification", "notification_id": "ntf_1", "title": "T", "body": "B",
                 "notification_type": "call", "channel": "user_ann", "epoch": "e", "offset": 1},
                {"type": "join", "channel": "c", "user_id": "bob", "first": True},
                {"type": "presence", "channel": "c", "members": [], "version": 2},
                {"type": "message", "data": "direct", "sender": "bob"},
                {"type": "gap", "channel": "c", "reason": "too_much_missed"},
                {"type": "something_new", "field": 1},
            ]
            for message in said:
                await server.say(**message)
            assert await take(client, len(said)) == said
            client.on("notification", notified.append)
            await server.say(**{**said[0], "offset": 2})  # again, from a server that had died
            await server.say(**{**said[0], "offset": 2, "notification_id": "ntf_2"})
            while not notified:
                await asyncio.sleep(0.01)
            assert [m["notification_id"] for m in notified] == ["ntf_2"]

    run(work())


# ---- losses and requests ----


def test_a_request_that_may_be_repeated_is() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            server.answers["message"] = lambda said: None
            once = asyncio.create_task(client.send_to_channel("c", 1))
            again = asyncio.create_task(client.send_to_channel("c", 2, idempotency_key="k"))
            await server.until(lambda: len(server.of("message")) == 2)
            del server.answers["message"]
            await server.close_all(1012)
            assert (await again)["type"] == "ack"
            with pytest.raises(RealtimeError) as error:
                await once
            assert error.value.code == "disconnected"
            assert [m["data"] for m in server.of("message")] == [1, 2, 2]

    run(work())


def test_a_request_waits_for_the_next_connection_but_not_for_ever() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            await server.close_all(1012)
            await server.until(lambda: not server.connections)
            await client.send_text("after the loss")
            assert server.of("text")
            server.answers["text"] = lambda said: None
            with pytest.raises(RealtimeError) as error:
                await client.send_text("unanswered", timeout=0.05)
            assert error.value.code == "timeout"
            await server.say(type="ack", id=server.received[-1]["id"])  # too late, for nobody
            await client.ping()

    run(work())


@pytest.mark.parametrize("code,is_final", [
    (1001, False), (1006, False), (1008, False), (1011, False), (1012, False), (1013, False),
    (4408, False), (4429, False), (4508, False),
    (4400, True), (4401, True), (4403, True), (4410, True)])
def test_close_codes_are_heeded(code: int, is_final: bool) -> None:
    async def work() -> None:
        async with fake_server() as server:
            client = WSClient(server.url, backoff=quick())
            await client.connect()
            if code == 1006:
                server.connections[0].transport.abort()
            else:
                await server.close_all(code, "because")
            if is_final:
                with pytest.raises(RealtimeError) as error:
                    await client.wait_closed()
                assert error.value.close_code == code and "because" in error.value.detail
                with pytest.raises(RealtimeError):
                    await take(client, 1)
                assert next(server.counter) == 2
            else:
                await server.until(lambda: not server.connections)
                while client.connection_id != "c2":
                    await asyncio.sleep(0.01)
                await client.ping()
            await client.close()

    run(work())


def test_disconnect_says_whether_and_when_to_come_back() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            await server.say(type="disconnect", code="restart", reason="r", reconnect=True,
                             retry_after=0.5)
            began = time.monotonic()
            await server.close_all(1012)
            await client.ping()
            assert time.monotonic() - began >= 0.5
            await server.say(type="disconnect", code="quota", reason="r", reconnect=False)
            await server.close_all(1008)
            with pytest.raises(RealtimeError):
                await client.wait_closed()

    run(work())


def test_a_token_that_ran_out_once_makes_no_later_loss_final() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, token=lambda: "a.b.c", backoff=quick()) as client:
            await server.say(type="disconnect", code="token_expired", reason="r", reconnect=False)
            await server.close_all(4401)
            await server.until(lambda: not server.connections)
            await client.ping()  # with a fresh one
            await server.close_all(1012)
            await server.until(lambda: not server.connections)
            await client.ping()

    run(work())


def test_a_refused_handshake_is_final_or_waited_for() -> None:
    async def work() -> None:
        async with fake_server() as server:
            body = json.dumps({"code": "token_expired", "detail": "the token has expired"}).encode()
            server.refuse_with = (401, {"Content-Length": str(len(body))}, body)
            with pytest.raises(RealtimeError) as error:
                await WSClient(server.url).connect()
            assert (error.value.code, error.value.status) == ("token_expired", 401)
            server.refuse_with = (503, {"Retry-After": "0"}, b"")
            client = WSClient(server.url, backoff=quick())
            connecting = asyncio.create_task(client.connect())
            await asyncio.sleep(0.2)
            assert not connecting.done()
            server.refuse_with = None
            await connecting
            await client.close()
        with pytest.raises(RealtimeError) as error:
            await WSClient(server.url, open_timeout=0.3, backoff=quick()).connect()
        assert error.value.code == "unreachable"
        with pytest.raises(ValueError):
            WSClient("http://localhost/")

    run(work())


def test_a_peer_that_answers_no_ping_is_left() -> None:
    async def work() -> None:
        async with fake_server() as server:
            server.welcome = {"ping_interval": 0.2}
            async with WSClient(server.url, backoff=quick()) as client:
                mute = server.connections[0]
                mute.transport.pause_reading()
                async with asyncio.timeout(10):
                    while client.connection_id != "c2":
                        await asyncio.sleep(0.02)
                await client.ping()
                mute.transport.abort()

    run(work())


def test_a_server_that_hangs_is_left_for_the_next_attempt() -> None:
    async def work() -> None:
        async with fake_server() as server:
            client = WSClient(server.url, open_timeout=0.3, backoff=quick())
            await client.connect()
            server.is_silent = True
            await server.close_all(1012)
            await server.until(lambda: server.connections)
            hung = server.connections[0]
            server.is_silent = False
            await server.until(lambda: server.connections and server.connections[0] is not hung)
            await client.ping()
            await client.close()

    run(work())


def test_a_handler_that_meets_something_cancelled_is_called_again() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url) as client:
            heard = asyncio.Queue[Message]()

            @client.on_message
            async def handle(said: Message) -> None:
                heard.put_nowait(said)
                never = asyncio.get_running_loop().create_future()
                never.cancel()
                await never

            for number in range(2):
                await server.say(type="message", data=number)
                assert (await asyncio.wait_for(heard.get(), 5))["data"] == number

    run(work())


def test_back_off_doubles_with_full_jitter_up_to_a_limit() -> None:
    backoff = Backoff(1, 8)
    limits = [1, 2, 4, 8, 8, 8]
    seen = [backoff.next_s() for _ in limits]
    assert all(0 <= delay <= limit for delay, limit in zip(seen, limits, strict=True))
    assert len(set(seen)) == len(seen)
    assert 5 <= backoff.next_s(5) <= 13
    backoff.reset()
    assert backoff.next_s() <= 1


def test_odd_messages_are_passed_over() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url) as client:
            for odd in ("nonsense", "[1]", "{", b"\xb7\1", b"", "null"):
                await server.connections[0].send(odd)
            await server.say(type="message", data="well")
            assert (await take(client, 1))[0]["data"] == "well"

    run(work())


# ---- native frames ----


def test_native_frames_are_read_as_they_are_written() -> None:
    meta = {"channel": "ö", "content_type": "image/png"}
    frame = native.encode(meta, b"\0\1", request_id=7, persistent=True)
    fields, payload = native.decode(frame)
    assert payload == b"\0\1" and fields == {
        **meta, "type": "binary", "offset": 7, "size": 2, "persistent": True}
    for cut in range(len(frame) - 2):
        with pytest.raises(ValueError):
            native.decode(frame[:cut])
    with pytest.raises(ValueError):
        native.decode(b"\0" + frame[1:])
    with pytest.raises(ValueError):
        native.encode({"x": "y" * 20000}, b"", request_id=1, persistent=False)
    heard = Message.with_payload(*native.decode(frame))
    assert base64.b64decode(heard["binary_data"]) == b"\0\1" == heard.payload
    assert heard.get("absent") is None
    with pytest.raises(RealtimeError):
        _ = Message(type="binary", url="/realtime/files/f").payload


# ---- ends ----


def test_the_fake_server_is_left_as_it_was_found() -> None:
    async def work() -> None:
        async with fake_server() as server:
            async with WSClient(server.url):
                pass
            assert isinstance(server, FakeServer)
            await server.until(lambda: not server.connections)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        await asyncio.sleep(0)
        names = [task.get_coro().__qualname__ for task in others if not task.done()]
        assert not [name for name in names if "realtime" in name or "Inbox" in name], names

    run(work())


def test_close_ends_it_even_if_the_library_answers_by_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def stubborn(*_: Any, **__: Any) -> AsyncIterator[None]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:  # as wait_for() of Python 3.11 does when both come at once
            raise ConnectionResetError from None
        yield

    async def work() -> None:
        with pytest.raises(RealtimeError) as error:
            await WSClient("ws://127.0.0.1:1/", open_timeout=0.2, backoff=quick()).connect()
        assert error.value.code == "unreachable"

    monkeypatch.setattr("realtime.clients.socket.connect", stubborn)
    run(work())
