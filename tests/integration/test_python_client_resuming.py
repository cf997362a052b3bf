"""How the Python client goes on where a channel broke off: nothing is lost and nothing comes twice."""

from __future__ import annotations

import asyncio
import random

import pytest
from fake_server import fake_server
from python_client import quick, run, take

from realtime import Message, RealtimeError, WSClient
from realtime.clients.subscription import Subscription


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
