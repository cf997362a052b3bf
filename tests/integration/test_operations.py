"""Limits, metrics, admin calls and stopping."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import exposition
import pytest
import websockets
from answer import ask
from bus_peer import BusPeer, Refused
from realtimed import Realtimed, chat, connect, events, started

CONNECTIONS, CONNECTIONS_CLOSE, METRICS = 24, 40, 41


def page(daemon: Realtimed) -> dict[str, float]:
    answer = ask(daemon.port, "GET", "/metrics", timeout_s=5)
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return exposition.values_of(answer.body.decode())


def test_metrics_count_what_happens(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob, events(daemon, "channel=c"):
            await bob.say(type="subscribe", channel="c")
            await bob.hear("subscribed")
            for persistent in (True, False):
                await ann.say(type="message", channel="c", data=1, persistent=persistent)
                await ann.hear("ack")
                await bob.hear("message")
            values = page(daemon)
            assert values['realtime_connections{transport="websocket"}'] == 2
            assert values['realtime_connections{transport="sse"}'] == 1
            assert values["realtime_channels"] == 1 and values["realtime_subscriptions"] == 2
            assert values["realtime_messages_published_total"] == 2
            assert values["realtime_messages_persistent_total"] == 1
            assert values["realtime_deliveries_total"] == 4
            assert values["realtime_messages_received_total"] == 3
            assert values["realtime_fan_out_seconds_count"] == 2
            assert values["realtime_store_seconds_count"] >= 3
            assert values['process_resident_memory_bytes{process="realtimed"}'] > 1e6

    asyncio.run(run())
    daemon.stop()


def test_metrics_are_for_this_host_alone(tmp_path: Path) -> None:
    daemon = started(tmp_path)
    answer = ask(daemon.port, "GET", "/metrics", headers={"X-Forwarded-For": "198.51.100.7"}, timeout_s=5)
    assert answer.status == 403 and answer.json["code"] == "forbidden"
    daemon.stop()


def test_an_address_has_so_many_connections(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_MAX_CONNECTIONS_PER_ADDRESS="2")

    async def run() -> None:
        ann = {"X-Forwarded-For": "198.51.100.7"}
        async with chat(daemon, extra_headers=ann), chat(daemon, extra_headers=ann):
            with pytest.raises(websockets.InvalidStatusCode) as refused:
                async with connect(daemon, extra_headers=ann):
                    pass
            assert refused.value.status_code == 429
            async with chat(daemon, extra_headers={"X-Forwarded-For": "198.51.100.8"}):
                pass
            # A proxy adds its own word to what it was told, and that counts; or it has another header for it.
            for same in ({"X-Forwarded-For": "198.51.100.9, " * 50 + "198.51.100.7"}, {"X-Real-IP": "198.51.100.7"},
                         ann | {"X-Real-IP": "198.51.100.9"}):
                with pytest.raises(websockets.InvalidStatusCode):
                    async with connect(daemon, extra_headers=same):
                        pass
            async with chat(daemon), chat(daemon), chat(daemon):
                pass  # tools on this host are not counted
        async with chat(daemon, extra_headers=ann):
            pass

    asyncio.run(run())
    assert page(daemon)['realtime_connections_refused_total{reason="too_many_connections"}'] == 4
    daemon.stop()


def test_who_sends_too_much_is_told_to_wait_and_then_closed(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_MESSAGE_RATE="10")

    async def run() -> None:
        async with chat(daemon) as ann:
            for i in range(21):
                await ann.say(type="ping", id=i)
            answers = [await ann.hear() for _ in range(21)]
            assert [a["type"] for a in answers[:20]] == ["pong"] * 20
            assert answers[20]["code"] == "rate_limited" and answers[20]["id"] == 20
            await asyncio.sleep(answers[20]["retry_after"])
            await ann.say(type="ping")
            await ann.hear("pong")

            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:  # in step with the answers, so that it is there to see the end
                    for _ in range(100):
                        await ann.socket.send('{"type":"ping"}')
                    for _ in range(100):
                        await ann.hear()
            assert closed.value.code == 4429

    asyncio.run(run())
    daemon.stop()


def test_an_admin_finds_and_closes_connections(tmp_path: Path) -> None:
    daemon = started(tmp_path)

    async def run() -> None:
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        async with connect(daemon) as ann, chat(daemon), events(daemon, "channel=c") as stream:
            ann_id = (await ann.hear("welcome"))["connection_id"]
            everybody = await api.ask(CONNECTIONS, {})
            assert everybody["total"] == 3 and len(everybody["connections"]) == 3
            assert everybody["transports"] == {"websocket": 2, "sse": 1, "signaling": 0}
            assert everybody["channels"] == {"c": 1} and everybody["channel_count"] == 1
            assert len((await api.ask(CONNECTIONS, {"limit": 1}))["connections"]) == 1
            found = await api.ask(CONNECTIONS, {"connection_id": ann_id})
            assert [c["connection_id"] for c in found["connections"]] == [ann_id]
            assert await api.ask(CONNECTIONS_CLOSE, {"connection_id": ann_id}) == {"closed": 1}
            goodbye = await ann.hear("disconnect")
            assert goodbye["code"] == "kicked" and goodbye["reconnect"] is False
            assert await ann.close_code() == 4410
            for body, code in (
                ({"connection_id": ann_id}, "connection_not_found"),
                ({}, "missing_field"),
            ):
                with pytest.raises(Refused) as refusal:
                    await api.ask(CONNECTIONS_CLOSE, body)
                assert refusal.value.body["code"] == code
            sse_id = next(
                c["connection_id"] for c in everybody["connections"] if c["transport"] == "sse"
            )
            await api.ask(CONNECTIONS_CLOSE, {"connection_id": sse_id})
            kind, goodbye = await stream.next()
            assert kind == "disconnect" and goodbye["reconnect"] is False
        # An EventSource comes back all the same, and 204 ends it.
        header = f"Last-Event-ID: {stream.last_event_id}\r\n"
        async with events(daemon, "channel=c", header) as again:
            assert again.status == 204
        text = (await api.ask(METRICS, {}))["text"]
        assert "realtime_connections{" in text
        await api.close()

    asyncio.run(run())
    daemon.stop()


def test_a_slow_event_stream_goes_on_where_it_was(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_OUTBOX_MAX="100MB", REALTIME_MESSAGE_RATE="0")
    count = 400

    async def run() -> None:
        async with chat(daemon) as ann, events(daemon, "channel=c") as stream:
            stream.writer.transport.pause_reading()
            for i in range(count):
                await ann.say(type="message", channel="c", data=f"{i} " + "x" * 20000)
            for _ in range(count):
                await ann.hear("ack")
            spent = Path(f"/proc/{daemon.process.pid}/stat")
            before = int(spent.read_text().split()[13])
            await asyncio.sleep(0.5)
            assert int(spent.read_text().split()[13]) - before < 25, "ticks: it waits, it does not spin"
            stream.writer.transport.resume_reading()
            for i in range(count):
                _, event = await stream.next()
                assert event["data"].startswith(f"{i} ")

    asyncio.run(run())
    daemon.stop()


def test_stopping_sends_clients_away_in_waves_and_loses_nothing(tmp_path: Path) -> None:
    daemon = started(tmp_path, REALTIME_DRAIN_TIME="1")

    async def run() -> None:
        clients = [
            await websockets.connect(daemon.url("/realtime/ws"), compression=None, close_timeout=2)
            for _ in range(300)
        ]
        acked = 0
        for client in clients[:50]:
            await client.recv()
            await client.send(
                json.dumps({"type": "message", "channel": "c", "data": 1, "persistent": True})
            )
        for client in clients[:50]:
            assert json.loads(await client.recv())["type"] == "ack"
            acked += 1
        began = time.monotonic()
        daemon.process.terminate()

        async def leave(client: websockets.WebSocketClientProtocol) -> tuple[dict, int, float]:
            while True:
                message = json.loads(await client.recv())
                if message["type"] == "disconnect":
                    break
            await client.wait_closed()
            return message, client.close_code, time.monotonic() - began

        ends = await asyncio.gather(*(leave(client) for client in clients))
        assert all(code == 1012 for _, code, _ in ends)
        assert all(m["reconnect"] is True and m["code"] == "restart" for m, _, _ in ends)
        waits = [m["retry_after"] for m, _, _ in ends]
        assert max(waits) <= 1.6 and max(waits) - min(waits) > 0.3, "spread out"
        times = sorted(t for _, _, t in ends)
        assert times[-1] - times[0] > 0.1, "in waves"
        assert acked == 50

    asyncio.run(run())
    assert daemon.process.wait(10) == 0
    daemon.process = None
    daemon.start()

    async def all_there() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="subscribe", channel="c")
            assert (await ann.hear("subscribed"))["replay_count"] == 50

    asyncio.run(all_there())
    daemon.stop()
