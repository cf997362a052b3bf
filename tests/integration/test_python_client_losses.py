"""The Python client against a real realtimed: what it must outlive, and what it must not."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import fake_bus
import pytest
from bearer import SECRET, token_of
from python_client import DEADLINE_S, Heard, next_of, quick, run, sse, ws
from realtimed import Realtimed

from realtime import RealtimeError, SSEClient, WSClient

CONNECTIONS_CLOSE = 40
DAEMON = {"REALTIME_JWT_SECRET": SECRET, "REALTIME_JWT_LEEWAY": "0"}


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


def test_a_stream_whose_token_ends_goes_on_with_a_fresh_one(daemon: Realtimed) -> None:
    async def work() -> None:
        async with (WSClient(ws(daemon), token=token_of("bob")) as bob,
                    SSEClient(sse(daemon), "c", token=lambda: token_of("ann", 2), backoff=quick()) as stream):
            for number in range(3):
                await bob.send_to_channel("c", number, persistent=True)
                seen = []
                async with asyncio.timeout(DEADLINE_S):
                    async for event in stream.events():
                        if event.event == "disconnect":
                            assert event.data["code"] == "token_expired"
                            break
                        if event.event == "message":
                            seen.append(event.data["data"])
                assert seen == [number]

    run(work())


def test_who_was_sent_away_knows_where_to_go_on(daemon: Realtimed) -> None:
    async def work() -> None:
        async with WSClient(ws(daemon), token=token_of("bob")) as bob:
            async with SSEClient(sse(daemon), "c", token=token_of("ann", 1)) as stream:
                await bob.send_to_channel("c", 1, persistent=True)
                kinds = [event.event async for event in stream.events()]
            assert kinds == ["message", "refresh_required", "disconnect"]
            await bob.send_to_channel("c", 2, persistent=True)
            async with SSEClient(sse(daemon), "c", token=token_of("ann"), last_event_id=stream.last_event_id) as again:
                async for event in again.events():
                    assert event.data["data"] == 2
                    return
        raise AssertionError("the stream has ended")

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
