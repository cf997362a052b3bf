"""The Python client against a real realtimed: what the seed shows, and what else it can do."""

from __future__ import annotations

import asyncio
import base64
import logging
import signal
from pathlib import Path

import bus_peer as bus
import pytest
from bearer import SECRET, token_of
from python_client import DEADLINE_S, Heard, key_of, next_of, quick, run, sse, ws
from realtimed import Realtimed
from samples import PNG

from core.config import get_settings
from core.realtime import BinaryMessage, ChannelMessage, Message, RealtimeError, WSClient
from core.realtime.auth import WSAuthenticator
from core.realtime.clients import create_authenticated_client, create_sse_client

DAEMON = {"REALTIME_JWT_SECRET": SECRET, "REALTIME_JWT_LEEWAY": "0"}


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
