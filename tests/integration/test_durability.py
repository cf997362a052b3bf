"""What was acknowledged is there, whatever dies: realtimed under load, killed again and again."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import websockets
from bus_peer import PUBLISH, BusPeer
from realtimed import Realtimed, chat, events

KILLS = 50
LONGEST_LIFE_S = 0.6  # of the daemon, from its listening to its death
CHANNELS = ["a", "b", "c"]
WEBSOCKET_PUBLISHERS, BUS_PUBLISHERS, SUBSCRIBERS, STREAMS = 4, 2, 2, 2
UNANSWERED_MAX = 8  # messages of one publisher that wait for their acknowledgement
TIMEOUT_S = 15.0
GONE = (OSError, EOFError, websockets.ConnectionClosed, websockets.InvalidMessage)

Stored = tuple[int, str, str]  # offset, message_id, data as JSON


class Ledger:
    """All that anybody was told, and what may not be true of it."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, set[Stored]] = {channel: set() for channel in CHANNELS}
        self.epochs: dict[str, str] = {}
        self.data: dict[str, dict[int, str]] = {channel: {} for channel in CHANNELS}
        self.highest = dict.fromkeys(CHANNELS, 0)

    def note(self, channel: str, offset: int, epoch: str, data: str) -> None:
        """One offset is one message, for ever and for everybody, in one epoch."""
        assert self.epochs.setdefault(channel, epoch) == epoch
        assert self.data[channel].setdefault(offset, data) == data, "an offset was given out twice"
        self.highest[channel] = max(self.highest[channel], offset)

    def check_store(self, path: str) -> dict[str, list[Stored]]:
        """Every acknowledged message is there, once. All that is stored, in order."""
        stored: dict[str, list[Stored]] = {channel: [] for channel in CHANNELS}
        with closing(sqlite3.connect(path)) as database:
            for channel, *row in database.execute(
                    "SELECT channel, offset, message_id, data FROM messages ORDER BY offset"):
                stored[channel].append((row[0], row[1], row[2]))
        for channel, rows in stored.items():
            lost = self.acknowledged[channel] - set(rows)
            assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
            assert len({data for _, _, data in rows}) == len(rows), "a message was stored twice"
        return stored


class World:
    """The daemon, and what its clients share."""

    def __init__(self, daemon: Realtimed, chance: random.Random) -> None:
        self.daemon, self.chance, self.ledger = daemon, chance, Ledger()
        self.is_up = asyncio.Event()
        self.is_publishing = True
        self.has_failed = False
        self.floor = dict.fromkeys(CHANNELS, 0)  # where this life of the daemon began
        self.sessions_cut = 0

    async def start(self) -> None:
        self.floor = dict(self.ledger.highest)
        await asyncio.to_thread(self.daemon.start)
        self.is_up.set()

    def kill(self) -> None:
        self.is_up.clear()
        self.daemon.kill()

    async def live(self, session: Callable[[], Awaitable[None]]) -> None:
        """A client: its session, and again after each death of the daemon until it ends by itself."""
        while not self.has_failed:
            await self.is_up.wait()
            try:
                return await session()
            except Exception as error:
                # A TimeoutError is an OSError too, but of a daemon that lives.
                if isinstance(error, TimeoutError) or not isinstance(error, GONE):
                    self.has_failed, self.is_publishing = True, False  # nobody else need go on
                    raise
                self.sessions_cut += 1
                await asyncio.sleep(0.01)  # who notices before the test does tries again soon


class Publisher:
    """Sends messages, every other one to be stored, and writes down what is acknowledged. What the
    daemon took to its grave unanswered is not sent again: it may be there or not."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.number = world, name, 0

    def next(self) -> dict:
        self.number += 1
        return {"channel": self.world.chance.choice(CHANNELS), "data": [self.name, self.number],
                "persistent": self.world.chance.random() < 0.5}

    def on_ack(self, message: dict, ack: dict, floor: dict[str, int]) -> None:
        channel, offset, data = message["channel"], ack["offset"], json.dumps(
            message["data"], separators=(",", ":"))
        assert ack["channel"] == channel
        assert offset > floor[channel], "an offset went back"
        self.world.ledger.note(channel, offset, ack["epoch"], data)
        if message["persistent"]:
            self.world.ledger.acknowledged[channel].add((offset, ack["message_id"], data))

    async def by_websocket(self) -> None:
        floor = self.world.floor
        async with chat(self.world.daemon, compression=None) as client:
            waiting: dict[int, dict] = {}
            while self.world.is_publishing or waiting:
                while self.world.is_publishing and len(waiting) < UNANSWERED_MAX:
                    message = self.next()
                    waiting[self.number] = message
                    await client.say(type="message", id=self.number, **message)
                ack = await client.hear()
                assert ack["type"] == "ack", ack
                self.on_ack(waiting.pop(ack["id"]), ack, floor)

    async def by_bus(self) -> None:
        """As realtime-api does."""
        floor = self.world.floor
        api = BusPeer(self.world.daemon.bus, "api")
        try:
            await api.connect()
            while self.world.is_publishing:
                message = self.next()
                self.on_ack(message, await api.ask(PUBLISH, message), floor)
        finally:
            await api.close()


class Reader:
    """Comes back to where it was, and so hears every stored message once, in order."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.stored: dict[str, list[Stored]] = {channel: [] for channel in CHANNELS}
        self.last = dict.fromkeys(CHANNELS, 0)
        self.last_event_id = "earliest"
        self.replayed_count = 0

    def hear(self, message: dict) -> None:
        channel, offset = message["channel"], message["offset"]
        data = json.dumps(message["data"], separators=(",", ":"))
        assert offset > self.last[channel], "twice, or out of order"
        self.last[channel] = offset
        self.world.ledger.note(channel, offset, message["epoch"], data)
        self.replayed_count += message.get("replayed", False)
        if message.get("persistent"):
            self.stored[channel].append((offset, message["message_id"], data))

    async def by_websocket(self) -> None:
        async with chat(self.world.daemon) as client:
            for channel, offset in self.last.items():
                await client.say(type="subscribe", channel=channel,
                                 recover={"epoch": self.world.ledger.epochs[channel], "offset": offset})
            while True:
                message = await client.hear()
                if message["type"] == "subscribed":
                    assert message["recovered"], message
                else:
                    assert message["type"] == "message", message
                    self.hear(message)

    async def by_event_stream(self) -> None:
        query = "&".join(f"channel={channel}" for channel in CHANNELS)
        async with events(self.world.daemon, query,
                          f"Last-Event-ID: {self.last_event_id}\r\n") as stream:
            assert stream.status == 200
            while True:
                event, message = await stream.next()
                assert event == "message", (event, message)
                self.hear(message)
                self.last_event_id = stream.last_event_id


async def give_channels_a_row(world: World) -> None:
    """A channel counts by the epoch of the process until its first stored message."""
    first = Publisher(world, "first")
    async with chat(world.daemon) as client:
        for channel in CHANNELS:
            message = {"channel": channel, "data": [channel], "persistent": True}
            await client.say(type="message", **message)
            first.on_ack(message, await client.hear("ack"), world.floor)


async def let_die(world: World) -> None:
    for _ in range(KILLS):
        if world.has_failed:
            return
        await asyncio.sleep(world.chance.uniform(0, LONGEST_LIFE_S))
        world.kill()
        await world.start()
        world.ledger.check_store(world.daemon.database)


async def catch_up(world: World, readers: list[Reader]) -> None:
    stored = world.ledger.check_store(world.daemon.database)
    deadline = asyncio.get_running_loop().time() + TIMEOUT_S
    while any(len(reader.stored[channel]) < len(rows)
              for reader in readers for channel, rows in stored.items()):
        assert asyncio.get_running_loop().time() < deadline, "somebody did not hear everything"
        await asyncio.sleep(0.02)
    for reader in readers:
        assert reader.stored == stored


async def run(world: World) -> None:
    await world.start()
    await give_channels_a_row(world)
    publishers = [Publisher(world, f"ws{i}").by_websocket for i in range(WEBSOCKET_PUBLISHERS)]
    publishers += [Publisher(world, f"bus{i}").by_bus for i in range(BUS_PUBLISHERS)]
    subscribers = [Reader(world) for _ in range(SUBSCRIBERS)]
    streams = [Reader(world) for _ in range(STREAMS)]
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(world.live(reader.by_websocket)) for reader in subscribers]
        reading += [group.create_task(world.live(reader.by_event_stream)) for reader in streams]
        publishing = [group.create_task(world.live(publisher)) for publisher in publishers]
        await let_die(world)
        world.is_publishing = False
        await asyncio.wait(publishing, timeout=TIMEOUT_S)
        assert all(task.done() for task in publishing)
        await catch_up(world, subscribers + streams)
        for task in reading:
            task.cancel()
    # It was a load: the daemon died on most of its clients, and they had something to catch up with.
    count = sum(len(rows) for rows in world.ledger.acknowledged.values())
    print(f"{count} stored messages were acknowledged, {world.sessions_cut} sessions cut off")
    assert count > 20 * KILLS
    assert world.sessions_cut > 2 * KILLS
    assert all(reader.replayed_count > 0 for reader in subscribers + streams)


def test_what_was_acknowledged_outlives_fifty_kills(tmp_path: Path) -> None:
    seed = int(os.environ.get("RT_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"RT_SEED={seed}")  # pytest shows it when the test fails
    daemon = Realtimed(tmp_path, REALTIME_HISTORY_SIZE="100000", REALTIME_MESSAGE_RATE="0")
    try:
        asyncio.run(run(World(daemon, random.Random(seed))))
        daemon.stop()
    except BaseException:
        print(daemon.log()[-4000:])
        raise
    finally:
        if daemon.process:
            daemon.kill()
    with closing(sqlite3.connect(daemon.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
