"""The Python client against a real realtimed: what the seed shows, and what it must outlive."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import bus_peer as bus
import fake_bus
import pytest
from realtimed import Realtimed

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "clients/python/src"))

from core.config import get_settings
from core.realtime import BinaryMessage, ChannelMessage, Message, RealtimeError, WSClient
from core.realtime.auth import WSAuthenticator
from core.realtime.clients import (
    SSEClient,
    create_authenticated_client,
    create_sse_client,
)
from realtime import Backoff

SECRET = "0123456789abcdef0123456789abcdef"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
CONNECTIONS_CLOSE = 40
DEADLINE_S = 20.0


@pytest.fixture
def daemon(tmp_path: Path):
    it = Realtimed(tmp_path, REALTIME_JWT_SECRET=SECRET, REALTIME_JWT_LEEWAY="0")
    it.start()
    yield it
    if it.process:
        it.stop()


def run(work: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work

    asyncio.run(bounded())


def ws(daemon: Realtimed) -> str:
    return daemon.url("/realtime/ws")


def sse(daemon: Realtimed) -> str:
    return f"http://127.0.0.1:{daemon.port}/realtime/events"


def quick() -> Backoff:
    return Backoff(0.05, 0.2)


def token_of(user_id: str, lives_s: float = 60, **claims: object) -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    body = {"sub": user_id, "exp": time.time() + lives_s, **claims}
    text = ".".join(part(json.dumps(value).encode()) for value in ({"alg": "HS256"}, body))
    return f"{text}.{part(hmac.digest(SECRET.encode(), text.encode(), 'sha256'))}"


def key_of(daemon: Realtimed, user_id: str) -> str:
    key = "rtk_" + hashlib.sha256(user_id.encode()).hexdigest()[:40]
    with sqlite3.connect(daemon.database) as db:
        db.execute(
            "INSERT INTO api_keys (key_id, name, prefix, key_hash, user_id, created_at)"
            " VALUES (?, 'test', 'rtk_', ?, ?, 0)",
            (f"key_{user_id}", hashlib.sha256(key.encode()).digest(), user_id),
        )
    return key


class Heard:
    """A handler that remembers, and can be waited for."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.arrived = asyncio.Event()

    def __call__(self, message: Message) -> None:
        self.messages.append(message)
        self.arrived.set()

    def of(self, kind: str) -> list[Message]:
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()


async def next_of(client: WSClient, kind: str = "message") -> Message:
    async with asyncio.timeout(DEADLINE_S):
        async for message in client:
            if message["type"] == kind:
                return message
    raise AssertionError("the messages have ended")


# ---- what the seed shows ----


def test_a_file_is_sent_and_saved_as_the_seed_shows(
    daemon: Realtimed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("image.png").write_bytes(PNG)
    Path("downloads").mkdir()
    saved = asyncio.Event()

    async def handle_binary_message(message: dict) -> None:
        if message.get("type") == "binary":
            binary_data = base64.b64decode(message["binary_data"])
            filename = message.get("filename", "received_file")
            with open(f"downloads/{filename}", "wb") as f:
                f.write(binary_data)
            saved.set()

    async def work() -> None:
        receiver = WSClient(ws(daemon))
        receiver.on_message(handle_binary_message)
        client = WSClient(ws(daemon))
        async with client, receiver:
            await receiver.subscribe_to_channel("general", {
                "binary_data": True,
                "max_file_size": 10 * 1024 * 1024,
                "allowed_types": ["image/*", "video/*", "application/pdf"],
            })
            with open("image.png", "rb") as f:
                file_data = f.read()
            binary_message = BinaryMessage.from_bytes(
                data=file_data, content_type="image/png", filename="image.png"
            )
            await client.send_binary(binary_message)
            await asyncio.wait_for(saved.wait(), DEADLINE_S)

    run(work())
    assert Path("downloads/image.png").read_bytes() == PNG


def test_an_authenticated_client_sends_as_the_seed_shows(daemon: Realtimed) -> None:
    async def work() -> None:
        heard = Heard()
        async with WSClient(ws(daemon)) as listener:
            listener.on_message(heard)
            await listener.subscribe_to_channel("general")
            auth_client = create_authenticated_client(url=ws(daemon), token=token_of("ann"))
            async with auth_client as client:
                assert client.user_id == "ann" and client.connection_id
                await client.send_text("Привет!")
                ack = await client.send_to_channel("general", "Сообщение в канал")
                assert ack["channel"] == "general" and ack["message_id"]
                await client.send_binary(b"%PDF-1.4\n%%EOF\n", content_type="application/pdf")
            await heard.until(lambda: len(heard.messages) == 3)
        assert [m.get("data") for m in heard.of("message")] == ["Привет!", "Сообщение в канал"]
        assert {m["sender"] for m in heard.messages} == {"ann"}
        assert heard.of("binary")[0].payload == b"%PDF-1.4\n%%EOF\n"

    run(work())


def test_persistent_messages_reach_later_subscribers(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon)) as client:
            channel_message = ChannelMessage(
                channel="announcements", data="Важное объявление", persistent=True
            )
            await client.send_channel_message(channel_message)
            await client.send_to_channel("announcements", {"n": 2}, persistent=True, tags={"a": 1})
        async with WSClient(ws(daemon)) as late:
            subscribed = await late.subscribe_to_channel("announcements")
            assert subscribed["replay_count"] == 2
            first, second = await next_of(late), await next_of(late)
            assert first["data"] == "Важное объявление" and first["replayed"]
            assert second["data"] == {"n": 2} and second["tags"] == {"a": 1}
            stored = await late.history("announcements", 10)
            assert [m["data"] for m in stored] == [first["data"], second["data"]]
            assert [m["data"] for m in await late.history("announcements", since=first)] == [
                {"n": 2}
            ]

    run(work())


def test_an_event_stream_gives_events_as_the_seed_shows(daemon: Realtimed) -> None:
    async def work() -> None:
        client = create_sse_client(url=sse(daemon), channel="notifications")
        seen = []
        async with client, WSClient(ws(daemon)) as sender:
            await sender.send_to_channel("notifications", {"a": 1})
            await sender.send_binary(PNG, content_type="image/png", channel="notifications")
            async for event in client.events():
                seen.append((event.event, event.data))
                if event.event == "binary_data":
                    assert base64.b64decode(event.data["binary_data"]) == PNG
                    break
        assert seen[0][0] == "message" and seen[0][1]["data"] == {"a": 1}

    run(work())


def test_a_server_is_asked_who_a_credential_is(daemon: Realtimed) -> None:
    async def work() -> None:
        authenticator = WSAuthenticator(ws(daemon))
        token, key = token_of("ann", name="Ann"), key_of(daemon, "bob")
        auth_data = await authenticator.verify_jwt_token(token)
        assert auth_data and auth_data["user_id"] == "ann" and auth_data["expires_at"]
        assert auth_data["claims"]["name"] == "Ann"
        assert (await authenticator.verify_api_key(key) or {})["user_id"] == "bob"
        tampered = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
        for bad in (tampered, token_of("ann", -5), key, "", "a.b.c", "é.é.é"):
            assert await authenticator.verify_jwt_token(bad) is None
        for bad in ("rtk_" + "0" * 40, token, "", "nonsense"):
            assert await authenticator.verify_api_key(bad) is None
        await asyncio.to_thread(daemon.stop)
        unreachable = WSAuthenticator(ws(daemon), open_timeout=0.5)
        with pytest.raises(RealtimeError) as error:
            await unreachable.verify_jwt_token(token)
        assert error.value.code == "unreachable"

    run(work())


def test_signals_go_over_a_connection_of_their_own(daemon: Realtimed) -> None:
    async def work() -> None:
        sfu = bus.BusPeer(daemon.bus, "sfu")
        await sfu.connect()
        heard = Heard()
        token = token_of("ann")
        async with create_authenticated_client(ws(daemon), token, room_id="meeting_123") as client:
            client.on_message(heard)
            await client.send_webrtc_signal(
                signal_type="offer", target_peer_id="sfu", sdp="v=0\r\no=- 123456 ..."
            )
            offer = await sfu.hears(bus.PEER_SIGNAL)
            assert offer["room_id"] == "meeting_123" and offer["sdp"] == "v=0\r\no=- 123456 ..."
            sfu.tell(bus.PEER_SIGNAL, {**offer, "signal_type": "answer", "sdp": "v=1"})
            await heard.until(lambda: heard.of("signal"))
            assert heard.of("joined")[0]["peer_id"] == offer["peer_id"]
            assert heard.of("signal")[0]["sdp"] == "v=1"
            await client.send_webrtc_signal("offer", "peer_456", sdp="v=0")
            await heard.until(lambda: heard.of("error"))
            assert heard.of("error")[0]["field"] == "target_peer_id"

            room = await client.join_room("meeting_123")
            assert room.peer_id == offer["peer_id"]
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            await sfu.connect()
            await heard.until(lambda: len(heard.of("joined")) == 2)
            again = heard.of("joined")[1]
            assert again["resumed"] and again["peer_id"] == offer["peer_id"]
        await sfu.hears(bus.PEER_LEAVE)
        await sfu.close()

        async with WSClient(ws(daemon)) as nowhere:
            with pytest.raises(RealtimeError) as error:
                await nowhere.send_webrtc_signal("offer", sdp="v=0")
            assert error.value.code == "no_room"

    run(work())


def test_settings_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "realtime.conf"
    file.write_text("# ours\nSSE_ENABLED = no # for now\nBINARY_MAX_FILE_SIZE=10MiB\nOTHER=1\n")
    monkeypatch.setenv("REALTIME_CONFIG", str(file))
    monkeypatch.setenv("WEBRTC_MAX_ROOMS", "7 # seven")
    get_settings.cache_clear()
    settings = get_settings()
    assert settings.WEBSOCKET_ENABLED and not settings.SSE_ENABLED
    assert settings.BINARY_MAX_FILE_SIZE / 1024 / 1024 == 10
    assert settings.WEBRTC_MAX_ROOMS == 7
    assert "application/pdf" in settings.BINARY_ALLOWED_TYPES.split(",")
    monkeypatch.setenv("WEBSOCKET_ENABLED", "perhaps")
    get_settings.cache_clear()
    with pytest.raises(ValueError, match=r"WEBSOCKET_ENABLED.*perhaps.*true or false"):
        get_settings()
    get_settings.cache_clear()


def test_what_is_no_base64_is_no_binary_message() -> None:
    for bad in ("invalid_base64", "abc", "ab c="):
        with pytest.raises(ValueError):
            BinaryMessage(binary_data=bad, content_type="image/png")
    message = BinaryMessage.from_bytes(b"\x00\xff", content_type="image/png", filename="x.png")
    assert message.dict() == {
        "type": "binary", "binary_data": "AP8=", "content_type": "image/png", "filename": "x.png"
    }
    assert BinaryMessage(**{k: v for k, v in message.dict().items() if k != "type"}).data == b"\x00\xff"


def test_notifications_reach_their_user_now_or_later(daemon: Realtimed) -> None:
    async def work() -> None:
        async with create_authenticated_client(ws(daemon), token_of("shop")) as shop:
            for number in range(3):
                ack = await shop.send_notification(
                    f"Order {number}", "3 items", user_id="ann", notification_type="call",
                    data={"n": number})
                assert ack["type"] == "ack"
            heard = Heard()
            ann = create_authenticated_client(ws(daemon), token_of("ann"), backoff=quick())
            ann.on_message(heard)
            async with ann:
                await heard.until(lambda: len(heard.messages) == 3)
                await asyncio.to_thread(daemon.kill)
                await asyncio.to_thread(daemon.start)
                await ann.ping()
                again = WSClient(ws(daemon), token=token_of("shop"))
                async with again:
                    await again.send_notification("Last", "", user_id="ann")
                    await heard.until(lambda: heard.messages[-1]["title"] == "Last")
            assert [m["title"] for m in heard.of("notification")] == [
                "Order 0", "Order 1", "Order 2", "Last"]
            assert heard.messages[0]["data"] == {"n": 0}

    run(work())


def test_ones_own_channel_is_resumed_beside_its_notifications(daemon: Realtimed) -> None:
    """Notifications that waited come before the replay; neither hides the other."""
    async def work() -> None:
        token, heard = token_of("ann"), Heard()
        first = WSClient(ws(daemon), token=token, backoff=quick())
        first.on_message(heard)
        async with WSClient(ws(daemon), token=token_of("shop")) as shop:
            async with first:
                await first.subscribe_to_channel("user_ann")
                await shop.send_direct("ann", 1, persistent=True)
                await heard.until(lambda: heard.messages)
            last = heard.messages[-1]
            await shop.send_direct("ann", 2, persistent=True)
            await shop.send_notification("N", "B", user_id="ann")
            await shop.send_direct("ann", 3, persistent=True)
            async with WSClient(ws(daemon), token=token) as second:
                second.on_message(heard)
                await second.subscribe_to_channel("user_ann", recover=last)
                await heard.until(lambda: len(heard.messages) >= 4)
                await shop.send_direct("ann", "end")
                await heard.until(lambda: heard.messages[-1].get("data") == "end")
        assert [m["data"] for m in heard.of("message")] == [1, 2, 3, "end"]
        assert [m["title"] for m in heard.of("notification")] == ["N"]

    run(work())


def test_presence_filters_and_patterns_are_the_servers(daemon: Realtimed) -> None:
    async def work() -> None:
        heard = Heard()
        async with (
            WSClient(ws(daemon), token=token_of("ann")) as ann,
            WSClient(ws(daemon), token=token_of("bob")) as bob,
        ):
            ann.on_message(heard)
            await ann.subscribe_to_channel("room", {"binary_data": False}, presence=True,
                                           join_leave=True, info={"mood": "fine"})
            await ann.subscribe_to_channel("chat_*")
            await bob.subscribe_to_channel("room")
            await heard.until(lambda: [m for m in heard.of("join") if m["user_id"] == "bob"])
            members = (await bob.presence("room"))["members"]
            assert {m["user_id"]: m.get("info") for m in members} == {
                "ann": {"mood": "fine"}, "bob": None}
            await bob.send_binary(PNG, "image/png", channel="room")  # not for ann
            await bob.send_to_channel("chat_7", "hello")
            await heard.until(lambda: heard.of("message"))
            assert heard.of("message")[0]["channel"] == "chat_7" and not heard.of("binary")
            await bob.unsubscribe("room")
            await heard.until(lambda: heard.of("leave"))

    run(work())


def test_a_message_that_is_sent_again_is_there_once(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon)) as client:
            first, again = [
                await client.send_to_channel("c", 1, persistent=True, idempotency_key="k-1")
                for _ in range(2)]
            assert first["message_id"] == again["message_id"]
            assert len(await client.history("c")) == 1

    run(work())


# ---- losses ----


def test_a_subscriber_outlives_kills_without_loss_or_duplicate(daemon: Realtimed) -> None:
    """Two publish persistent messages, one by one; the daemon is killed in the middle of it, again
    and again. One repeats by itself what was not acknowledged, perhaps for a second time; the
    other's have keys, so that the client may, and the server knows them again."""
    rounds, per_round = 4, 40

    async def publish(client: WSClient, name: str) -> None:
        for number in range(rounds * per_round):
            key = f"{name}-{number}" if name == "b" else None
            while True:
                try:
                    await client.send_to_channel(
                        "c", [name, number], persistent=True, idempotency_key=key)
                    break
                except RealtimeError as error:
                    assert error.code == "disconnected" and key is None

    async def work() -> None:
        heard = Heard()
        reader = WSClient(ws(daemon), backoff=quick())
        reader.on_message(heard)
        writers = [WSClient(ws(daemon), backoff=quick()) for _ in range(2)]
        async with reader, writers[0], writers[1]:
            await reader.subscribe_to_channel("c")
            publishing = [
                asyncio.create_task(publish(writer, name))
                for writer, name in zip(writers, "ab", strict=True)
            ]
            for number in range(1, rounds):
                await heard.until(lambda n=number: len(heard.of("message")) >= n * per_round)
                await asyncio.to_thread(daemon.kill)
                await asyncio.to_thread(daemon.start)
            await asyncio.gather(*publishing)
            last = await writers[0].send_to_channel("c", "end", persistent=True)
            await heard.until(lambda: heard.messages[-1].get("data") == "end")
        with sqlite3.connect(daemon.database) as db:
            stored = [row[0] for row in db.execute("SELECT message_id FROM messages ORDER BY offset")]
        messages = heard.of("message")
        assert [m["message_id"] for m in messages if m["message_id"] in set(stored)] == stored
        assert len({m["message_id"] for m in messages}) == len(messages)
        offsets = [m["offset"] for m in messages]
        assert offsets == sorted(set(offsets)) and offsets[-1] == last["offset"]
        for name in "ab":
            numbers = [m["data"][1] for m in messages if m["data"][0] == name]
            assert sorted(set(numbers)) == list(range(rounds * per_round))
            assert name == "a" or len(numbers) == rounds * per_round
        assert not heard.of("gap")

    run(work())


def test_what_nobody_kept_is_told_as_a_gap(daemon: Realtimed) -> None:
    async def work() -> None:
        heard = Heard()
        async with WSClient(ws(daemon), backoff=quick()) as client:
            client.on_message(heard)
            await client.subscribe_to_channel("passing")
            await client.send_to_channel("passing", 1)
            await heard.until(lambda: heard.of("message"))
            await asyncio.to_thread(daemon.kill)
            await asyncio.to_thread(daemon.start)
            await heard.until(lambda: heard.of("gap"))
            assert heard.of("gap")[0]["channel"] == "passing"
            assert heard.of("gap")[0]["reason"] == "epoch_changed"
            await client.send_to_channel("passing", 2)
            await heard.until(lambda: len(heard.of("message")) == 2)
        assert [m["data"] for m in heard.of("message")] == [1, 2]

    run(work())


def test_an_earlier_run_is_gone_on_with_from_its_last_message(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon)) as first:
            await first.subscribe_to_channel("c")
            for number in range(5):
                await first.send_to_channel("c", number, persistent=True)
            last = [await next_of(first) for _ in range(3)][-1]
        async with WSClient(ws(daemon)) as second:
            subscribed = await second.subscribe_to_channel("c", recover=last)
            assert subscribed["recovered"]
            assert [(await next_of(second))["data"] for _ in range(2)] == [3, 4]

    run(work())


def test_an_event_stream_outlives_a_kill_without_loss_or_duplicate(daemon: Realtimed) -> None:
    async def work() -> None:
        seen: list[object] = []
        async with SSEClient(sse(daemon), channels=["a", "b"], backoff=quick()) as stream:
            events = stream.events()
            for round_number in range(3):
                async with WSClient(ws(daemon)) as writer:
                    for number in range(10):
                        channel = "ab"[number % 2]
                        await writer.send_to_channel(
                            channel, [round_number, number], persistent=True
                        )
                while len(seen) < 10 * (round_number + 1) - 3:  # some are on their way
                    seen.append((await asyncio.wait_for(anext(events), DEADLINE_S)).data["data"])
                await asyncio.to_thread(daemon.kill)
                await asyncio.to_thread(daemon.start)
            while len(seen) < 30:
                seen.append((await asyncio.wait_for(anext(events), DEADLINE_S)).data["data"])
            async with WSClient(ws(daemon)) as writer:
                await writer.send_to_channel("a", "end", persistent=True)
            seen.append((await asyncio.wait_for(anext(events), DEADLINE_S)).data["data"])
            await events.aclose()
            last = stream.last_event_id
        assert seen == [[r, n] for r in range(3) for n in range(10)] + ["end"]
        async with WSClient(ws(daemon)) as writer:
            await writer.send_to_channel("b", "later", persistent=True)
        async with SSEClient(sse(daemon), ["a", "b"], last_event_id=last) as stream:
            assert (await asyncio.wait_for(anext(stream.events()), DEADLINE_S)).data["data"] == "later"

    run(work())


def test_a_client_waits_for_a_server_that_starts_late(daemon: Realtimed) -> None:
    async def work() -> None:
        await asyncio.to_thread(daemon.stop)
        client = WSClient(ws(daemon), backoff=quick())
        stream = SSEClient(sse(daemon), "c", backoff=quick())
        connecting = asyncio.gather(client.connect(), stream.connect())
        await asyncio.sleep(0.3)
        await asyncio.to_thread(daemon.start)
        await connecting
        assert client.is_connected
        await client.close()
        await stream.close()

    run(work())


# ---- refusals ----


def test_a_refusal_carries_code_detail_and_field(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon)) as client:
            with pytest.raises(RealtimeError) as error:
                await client.send_to_channel("a\nb", 1)
            assert (error.value.code, error.value.field) == ("bad_field", "channel")
            assert error.value.detail
            with pytest.raises(RealtimeError) as error:
                await client.subscribe_to_channel("user_bob")
            assert error.value.code == "forbidden"
            with pytest.raises(RealtimeError) as error:
                await client.request("sing")
            assert error.value.code == "unknown_type"
            assert (await client.ping()) < DEADLINE_S  # and the connection goes on

    run(work())


def test_bad_credentials_end_it_at_once(daemon: Realtimed) -> None:
    async def work() -> None:
        for options in ({"token": token_of("ann", -5)}, {"api_key": "rtk_" + "0" * 40}):
            began = time.monotonic()
            with pytest.raises(RealtimeError) as error:
                async with WSClient(ws(daemon), **options):
                    pass
            assert error.value.status == 401 or error.value.close_code == 4401
            assert time.monotonic() - began < 5
            assert error.value.code in ("token_expired", "bad_api_key")
            with pytest.raises(RealtimeError) as error:
                async with SSEClient(sse(daemon), "c", **options):
                    pass
            assert error.value.status == 401
        with pytest.raises(RealtimeError) as error:
            async with SSEClient(sse(daemon), "user_bob"):
                pass
        assert (error.value.status, error.value.code) == (403, "forbidden")
        assert "rtk_000" not in daemon.log()

    run(work())


def test_who_is_kicked_does_not_come_back(daemon: Realtimed) -> None:
    async def work() -> None:
        token = token_of("ann")
        client = WSClient(ws(daemon), token=token, backoff=quick())
        await client.connect()
        await client.subscribe_to_channel("c")
        stream = SSEClient(sse(daemon), "c", token=token, backoff=quick())
        await stream.connect()
        bus_path = Path(daemon.bus)
        answer = await asyncio.to_thread(
            fake_bus.ask, bus_path, CONNECTIONS_CLOSE, {"user_id": "ann"}
        )
        assert answer["closed"] == 2
        kinds = []
        with pytest.raises(RealtimeError) as error:
            async for message in client:
                kinds.append(message["type"])
        assert error.value.close_code == 4410 and kinds == ["disconnect"]
        assert [event.event async for event in stream.events()] == ["disconnect"]
        with pytest.raises(RealtimeError):
            await client.send_text("hello?")
        with pytest.raises(RealtimeError):
            await client.wait_closed()
        await client.close()
        await stream.close()

    run(work())


def test_a_token_function_keeps_a_connection_who_it_is(daemon: Realtimed) -> None:
    given: list[str] = []

    async def fresh() -> str:
        given.append(token_of("ann", 2))
        return given[-1]

    async def work() -> None:
        async with WSClient(ws(daemon), token=fresh, backoff=quick()) as client:
            first = client.connection_id
            await client.subscribe_to_channel("user_ann")
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                await client.send_to_channel("user_ann", 1)
                assert (await next_of(client))["sender"] == "ann"
                await asyncio.sleep(0.25)
            assert client.connection_id == first  # refreshed, not reconnected
        assert len(given) >= 3

    run(work())


def test_a_request_after_close_is_refused(daemon: Realtimed) -> None:
    async def work() -> None:
        client = WSClient(ws(daemon))
        with pytest.raises(RealtimeError) as error:
            await client.send_text("too early")
        assert error.value.code == "closed"
        async with client:
            await client.send_text("in time")
        with pytest.raises(RealtimeError):
            await client.send_text("too late")
        async with client:  # and once more
            await client.send_text("again")

    run(work())


# ---- bytes, callbacks and loops ----


@pytest.mark.parametrize("receives_native", [False, True])
@pytest.mark.parametrize("sends_native", [False, True])
def test_bytes_go_in_either_form(
    daemon: Realtimed, sends_native: bool, receives_native: bool
) -> None:
    async def work() -> None:
        big = PNG + bytes(range(256)) * 4096
        async with (
            WSClient(ws(daemon), native_binary=receives_native) as receiver,
            WSClient(ws(daemon), native_binary=sends_native) as sender,
        ):
            await receiver.subscribe_to_channel("files")
            ack = await sender.send_binary(
                big, "image/png", filename="big.png", channel="files", persistent=True
            )
            message = await next_of(receiver, "binary")
            assert message.payload == big and base64.b64decode(message["binary_data"]) == big
            assert message.get("filename") == "big.png" and message["size"] == len(big)
            assert message["offset"] == ack["offset"] and message["persistent"]
            with pytest.raises(RealtimeError) as error:
                await sender.send_binary(b"PK\3\4" + bytes(100), "application/zip", channel="files")
            assert error.value.code == "type_not_allowed"

    run(work())


def test_what_is_too_big_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, WEBSOCKET_BINARY_MAX_SIZE="4096")
    daemon.start()

    async def work() -> None:
        for native in (False, True):
            async with WSClient(ws(daemon), native_binary=native) as client:
                await client.send_binary(bytes(4000), "image/png")
                with pytest.raises(RealtimeError) as error:
                    await client.send_binary(bytes(200_000), "image/png")
                assert error.value.code == "message_too_big"
                await client.ping()

    run(work())
    daemon.stop()


def test_a_handler_may_ask_while_messages_pour_in(daemon: Realtimed) -> None:
    """The queue is full, and the answer is behind what does not fit into it."""
    answered: list[int] = []

    async def work() -> None:
        async with (
            WSClient(ws(daemon), queue_size=50) as reader,
            WSClient(ws(daemon)) as writer,
        ):
            done = asyncio.Event()

            async def answer(message: Message) -> None:
                await reader.send_to_channel("answers", message["data"])
                answered.append(message["data"])
                if len(answered) == 300:
                    done.set()

            reader.on("message", answer)
            await reader.subscribe_to_channel("questions")
            await asyncio.gather(*(writer.send_to_channel("questions", n) for n in range(300)))
            await asyncio.wait_for(done.wait(), 30)

    run(work())
    assert answered == list(range(300))


def test_a_slow_reader_holds_the_server_up_and_loses_nothing(daemon: Realtimed) -> None:
    async def work() -> None:
        async with (
            WSClient(ws(daemon), queue_size=10, backoff=quick()) as reader,
            WSClient(ws(daemon)) as writer,
        ):
            await reader.subscribe_to_channel("c")
            for number in range(200):
                await writer.send_to_channel("c", [number, "x" * 20000], persistent=True)
            assert len(reader._inbox._messages) <= 10
            for number in range(200):
                assert (await next_of(reader))["data"][0] == number

    run(work())


def test_a_failing_handler_is_logged_and_the_next_is_called(
    daemon: Realtimed, caplog: pytest.LogCaptureFixture
) -> None:
    async def work() -> None:
        heard = Heard()
        async with WSClient(ws(daemon)) as client:

            @client.on_message
            async def failing(message: Message) -> None:
                raise RuntimeError("my mistake")

            client.on("message", heard)
            await client.subscribe_to_channel("c")
            await client.send_to_channel("c", 1)
            await client.send_to_channel("c", 2)
            await heard.until(lambda: len(heard.messages) == 2)
            client.off(failing)

    with caplog.at_level(logging.DEBUG, "realtime"):
        run(work())
    assert "my mistake" in caplog.text


def test_what_comes_between_two_loops_is_not_lost(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon)) as client:
            await client.subscribe_to_channel("c")
            for number in range(6):
                await client.send_to_channel("c", number)
            seen = []
            for _ in range(3):
                async for message in client.messages():
                    seen.append(message["data"])
                    if len(seen) % 2 == 0:
                        break
        assert seen == list(range(6))
        async with WSClient(ws(daemon)) as client:
            await client.subscribe_to_channel("c")
            await client.send_to_channel("c", "last")
            await client.unsubscribe("c")
            await client.send_to_channel("c", "unheard")
        assert [message["data"] async for message in client] == ["last"]  # what came before the end

    run(work())


def test_no_secret_reaches_a_log(daemon: Realtimed, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        client = WSClient(ws(daemon), token=token, backoff=quick())
        async with client:
            assert daemon.process
            daemon.process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(daemon.process.wait)
            await asyncio.to_thread(daemon.start)
            await client.ping()

    token = token_of("ann")
    with caplog.at_level(logging.DEBUG):
        run(work())
    assert "connection lost" in caplog.text
    assert token not in caplog.text and token not in daemon.log()
