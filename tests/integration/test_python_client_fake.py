"""The Python client towards a server that does what a real one does seldom, or not yet."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, fake_server

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python/src"))

from realtime import (
    Backoff,
    Message,
    RealtimeError,
    RestClient,
    ServerEvent,
    SSEClient,
    WebRTCRoom,
    WSClient,
    native,
)
from realtime.clients.subscription import Subscription
from realtime.routes import webrtc_rooms
from realtime.sse import EventParser


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await work

    asyncio.run(bounded())


def quick() -> Backoff:
    return Backoff(0.02, 0.05)


async def take(client: WSClient, count: int) -> list[Message]:
    async with asyncio.timeout(10):
        taken: list[Message] = []
        async for message in client:
            taken.append(message)
            if len(taken) == count:
                break
        return taken


# ---- what is said ----


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


# ---- resuming ----


def message(channel: str, offset: int, epoch: str = "e", **more: object) -> dict:
    return {"type": "message", "channel": channel, "epoch": epoch, "offset": offset,
            "message_id": f"msg_{offset:016x}", "data": offset, **more}


def test_a_subscription_is_asked_for_again_from_where_it_was() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            server.answers["subscribe"] = lambda said: [
                {"type": "subscribed", "channel": "c", "epoch": "e", "offset": 9,
                 "replay_count": 2}, message("c", 5, replayed=True), message("c", 7, replayed=True)]
            await client.subscribe_to_channel("c", {"binary_data": False})
            assert [m["data"] for m in await take(client, 2)] == [5, 7]
            # All that is stored has come: what follows is behind 9.
            server.answers["subscribe"] = lambda said: [
                {"type": "subscribed", "channel": "c", "epoch": "e", "offset": 11,
                 "recovered": True, "replay_count": 3}, message("c", 7, replayed=True),
                message("c", 10, replayed=True), message("c", 11, replayed=True)]
            await server.close_all(1012)
            assert [m["data"] for m in await take(client, 2)] == [10, 11]
            asked = server.of("subscribe")[1]
            assert asked["recover"] == {"epoch": "e", "offset": 9}
            assert asked["filters"] == {"binary_data": False}
            await server.say(**message("c", 11))  # again
            await server.say(**message("c", 12))
            assert [m["data"] for m in await take(client, 1)] == [12]

    run(work())


def test_a_replay_that_broke_off_is_gone_on_with() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            server.answers["subscribe"] = lambda said: [
                {"type": "subscribed", "channel": "c", "epoch": "e", "offset": 90,
                 "replay_count": 50}, message("c", 41, replayed=True)]
            await client.subscribe_to_channel("c")
            await take(client, 1)
            await server.close_all(1011)
            await server.until(lambda: len(server.of("subscribe")) == 2)
            assert server.of("subscribe")[1]["recover"] == {"epoch": "e", "offset": 41}

    run(work())


def test_what_comes_again_under_a_new_epoch_is_known() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            server.answers["subscribe"] = lambda said: [
                {"type": "subscribed", "channel": "c", "epoch": "e", "offset": 8,
                 "replay_count": 1}, message("c", 8, replayed=True)]
            await client.subscribe_to_channel("c")
            await take(client, 1)
            server.answers["subscribe"] = lambda said: [
                {"type": "subscribed", "channel": "c", "epoch": "f", "offset": 2,
                 "recovered": False, "reason": "epoch_changed", "replay_count": 2},
                {**message("c", 1, "f", replayed=True), "message_id": f"msg_{8:016x}"},
                {**message("c", 2, "f", replayed=True), "message_id": f"msg_{9:016x}"}]
            await server.close_all(1012)
            gap, new = await take(client, 2)
            assert gap == {"type": "gap", "channel": "c", "reason": "epoch_changed"}
            assert new["offset"] == 2
            await server.say(**message("c", 3, "f"))
            assert [m["offset"] for m in await take(client, 1)] == [3]

    run(work())


def test_channels_of_a_pattern_are_told_apart() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            await client.subscribe_to_channel("chat_*_x")
            for said in (message("chat_1_x", 3), message("chat_2_x", 1), message("chat_1_x", 3),
                         message("chat_1_x", 4), message("chat_x", 4), message("chat_x", 4)):
                await server.say(**said)
            heard = await take(client, 5)
            assert [(m["channel"], m["offset"]) for m in heard] == [
                ("chat_1_x", 3), ("chat_2_x", 1), ("chat_1_x", 4), ("chat_x", 4), ("chat_x", 4)]
            await server.close_all(1001)
            await server.until(lambda: len(server.of("subscribe")) == 2)
            assert "recover" not in server.of("subscribe")[1]

    run(work())


def test_a_subscription_that_is_taken_away_is_told() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            await client.subscribe_to_channel("secret")
            await client.subscribe_to_channel("open")
            refusals = iter([{"type": "error", "code": "store_busy", "detail": "later"}])
            server.answers["subscribe"] = lambda said: next(refusals, None) or (
                {"type": "error", "code": "forbidden", "detail": "no more"}
                if said["channel"] == "secret" else
                {"type": "subscribed", "channel": "open", "epoch": "e", "offset": 0})
            await server.close_all(1012)
            assert await take(client, 1) == [{"type": "unsubscribed", "channel": "secret",
                                              "code": "forbidden", "reason": "no more"}]
            await server.close_all(1012)
            await server.until(lambda: server.received[-1]["type"] == "subscribe" and
                               len(server.connections) == 1 and len(server.of("subscribe")) >= 6)
            assert server.received[-1]["channel"] == "open"
            await server.say(type="unsubscribed", channel="open", code="expired", reason="r")
            assert (await take(client, 1))[0]["code"] == "expired"

    run(work())


def test_a_refused_change_leaves_the_subscription_as_it_was() -> None:
    async def work() -> None:
        async with fake_server() as server, WSClient(server.url, backoff=quick()) as client:
            await client.subscribe_to_channel("c")
            server.answers["subscribe"] = lambda said: {
                "type": "error", "code": "bad_field", "detail": "no", "field": "filters"}
            with pytest.raises(RealtimeError):
                await client.subscribe_to_channel("c", {"max_file_size": -1})
            server.answers["subscribe"] = lambda said: None
            with pytest.raises(RealtimeError):
                await client.subscribe_to_channel("c", {"max_file_size": 5}, timeout=0.05)
            del server.answers["subscribe"]
            await server.close_all(1012)
            await server.until(lambda: len(server.of("subscribe")) == 4)
            assert "filters" not in server.of("subscribe")[3]
            await server.say(**message("c", 1))
            assert (await take(client, 1))[0]["offset"] == 1

    run(work())


class Channel:
    """A channel as the protocol has it. One's own is heard unasked: what waits there for its user
    is given to each connection before anything else, and left out of the replay."""

    def __init__(self, dice: random.Random, is_own: bool) -> None:
        self.dice, self.is_own = dice, is_own
        self.log: list[dict] = []
        self.epoch, self.offset = 0, 0

    def publish(self) -> dict:
        self.offset += 1
        new = message("c", self.offset, f"e{self.epoch}", persistent=self.dice.random() < 0.6)
        new["message_id"] = f"msg_{len(self.log):016x}"
        self.log.append(new)
        return new

    def stored(self) -> list[dict]:
        return [m for m in self.log if m["persistent"]]

    def count_anew(self) -> None:
        """The history got a new epoch."""
        self.epoch += 1
        for position, kept in enumerate(self.stored()):
            kept["offset"] = position + 1
        self.offset = len(self.stored())

    def connect(self, asked: dict) -> tuple[list[dict], dict, list[dict]]:
        """What comes unasked, the answer, and the replay."""
        recover = asked.get("recover")
        recovered = recover is not None and recover["epoch"] == f"e{self.epoch}"
        early = [m for m in self.stored()[-3:] if self.is_own and self.dice.random() < 0.5]
        if self.is_own and self.dice.random() < 0.3:
            early.append(self.publish())  # live, before the answer
        given = {m["message_id"] for m in early}
        replay = [m for m in self.stored() if m["message_id"] not in given and
                  (not recovered or m["offset"] > recover["offset"])]
        answer = {"epoch": f"e{self.epoch}", "offset": self.offset, "replay_count": len(replay)}
        if recover is not None:
            answer["recovered"] = recovered
        return [{**m, "epoch": f"e{self.epoch}"} for m in early], answer, [
            {**m, "epoch": f"e{self.epoch}", "replayed": True} for m in replay]


@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.parametrize("seed", range(25))
def test_whatever_breaks_off_when_stored_messages_come_once_and_in_order(
    seed: int, is_own: bool
) -> None:
    """A channel, and connections that end at any point of it."""
    dice = random.Random(seed)
    channel = Channel(dice, is_own)

    async def work() -> None:
        subscription = Subscription("c", {}, asyncio.get_running_loop().create_future())
        heard: list[str] = []

        def hear(messages: list[dict]) -> None:
            heard.extend(m["message_id"] for m in messages if subscription.accept(Message(m)))

        for round_number in range(40):
            early, answer, replay = channel.connect(subscription.ask())
            is_last = round_number == 39
            if is_last or dice.random() < 0.9:
                hear(early if is_last else early[: dice.randrange(len(early) + 1)])
            if is_last or dice.random() < 0.9:
                hear(early)  # all of it, then; some again, as no server does
                lost = subscription.start(answer)
                assert (lost is None) == answer.get("recovered", True)
                line = replay + [channel.publish() for _ in range(dice.randrange(6))]
                hear(line if is_last else line[: dice.randrange(len(line) + 1)])
            for _ in range(dice.randrange(3)):
                channel.publish()  # while nobody is there
            if dice.random() < 0.1 and not is_last:
                channel.count_anew()
        early, answer, replay = channel.connect(subscription.ask())
        hear(early)
        subscription.start(answer)
        hear(replay)
        assert len(heard) == len(set(heard))
        assert is_own or heard == sorted(heard)
        assert {m["message_id"] for m in channel.stored()} <= set(heard)

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


# ---- event streams ----


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


@asynccontextmanager
async def http_server(*answers: bytes, ssl_context: ssl.SSLContext | None = None
                      ) -> AsyncIterator[tuple[str, list[str]]]:
    """Gives these answers to one connection each, then the last one again. Yields its origin and
    the heads of the requests."""
    heads: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((int(line.split(":")[1]) for line in head.lower().split("\r\n")
                       if line.startswith("content-length:")), 0)
        heads.append(head + (await reader.readexactly(length)).decode())
        writer.write(answers[min(len(heads), len(answers)) - 1])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl_context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if ssl_context else 'http'}://localhost:{port}", heads


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"


def chunked(*pieces: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


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
                await SSEClient(origin + "/", "c", open_timeout=0.3, backoff=quick()).connect()
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
                await SSEClient(origin + "/", "c", open_timeout=0.5, backoff=quick()).connect()
            assert "certificate" in error.value.detail.lower()
        async with fake_server(ssl=served) as server:
            async with WSClient(server.url, ssl=trusting) as client:
                await client.ping()
            with pytest.raises(RealtimeError) as error:
                await WSClient(server.url, open_timeout=0.5, backoff=quick()).connect()
            assert "certificate" in error.value.detail.lower()

    run(work())


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
