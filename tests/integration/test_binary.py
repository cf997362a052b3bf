"""Bytes as messages: base64 in JSON as the seed has it, native frames, and compression."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import struct
import zlib
from pathlib import Path

import pytest
from bus_peer import CONNECTIONS, PUBLISH, BusPeer, Refused
from realtimed import Realtimed, chat, connect, events, raw_websocket
from samples import PNG

HEAD = struct.Struct(">BBBBIQ")


def native(meta: dict, payload: bytes, number: int = 0, flags: int = 0) -> bytes:
    text = json.dumps(meta).encode()
    return HEAD.pack(0xB7, 1, 1, flags, len(text), number) + text + payload


def parse_native(frame: bytes) -> tuple[dict, bytes, int, int]:
    magic, version, kind, flags, length, offset = HEAD.unpack_from(frame)
    assert (magic, version, kind) == (0xB7, 1, 1)
    meta = json.loads(frame[HEAD.size : HEAD.size + length])
    return meta, frame[HEAD.size + length :], offset, flags


def picture(**more: object) -> dict:
    return {
        "type": "binary",
        "binary_data": base64.b64encode(PNG).decode(),
        "content_type": "image/png",
        "filename": "dot.png",
        **more,
    }


def test_bytes_reach_websocket_and_sse_as_the_seed_shows(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob, events(daemon, "channel=c") as stream:
            await bob.say(type="subscribe", channel="c")
            await bob.hear("subscribed")
            await ann.say(**picture(channel="c", id="b"))
            ack = await ann.hear("ack")
            assert ack["id"] == "b" and ack["channel"] == "c"
            heard = await bob.hear()
            assert heard["type"] == "binary" and heard["content_type"] == "image/png"
            assert heard["filename"] == "dot.png" and heard["size"] == len(PNG)
            assert base64.b64decode(heard["binary_data"]) == PNG
            assert heard["message_id"] == ack["message_id"]
            kind, event = await stream.next()
            assert kind == "binary_data" and event == heard

    asyncio.run(run())


def test_without_a_channel_it_goes_to_general(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="subscribe", channel="general")
            await ann.hear("subscribed")
            await ann.say(**picture())
            assert (await ann.hear("binary"))["channel"] == "general"

    asyncio.run(run())


def test_each_subscriber_gets_the_form_it_asked_for(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon) as bob:
            await bob.say(type="subscribe", channel="c")
            await bob.hear("subscribed")
            await ann.say(type="subscribe", channel="c")
            await ann.hear("subscribed")
            meta = {"channel": "c", "content_type": "image/png", "filename": "dot.png"}
            await ann.socket.send(native(meta, PNG, number=7, flags=4))
            frames = [await ann.socket.recv(), await ann.socket.recv()]
            ack = json.loads(next(frame for frame in frames if isinstance(frame, str)))
            assert ack["type"] == "ack" and ack["id"] == 7
            meta, payload, offset, flags = parse_native(
                next(frame for frame in frames if isinstance(frame, bytes))
            )
            assert payload == PNG and offset == ack["offset"] and flags & 4
            assert meta["message_id"] == ack["message_id"] and meta["epoch"] == ack["epoch"]
            assert meta["channel"] == "c" and meta["content_type"] == "image/png"
            heard = await bob.hear("binary")
            assert base64.b64decode(heard["binary_data"]) == PNG and heard["persistent"]
            await bob.say(type="message", channel="c", data="text")
            assert json.loads(await ann.socket.recv())["data"] == "text"

    asyncio.run(run())


def test_persistent_bytes_are_replayed_after_a_kill(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(**picture(channel="c", persistent=True))
            await ann.hear("ack")
            await ann.say(**picture(channel="c", persistent=True, binary_data="", content_type="text/plain"))
            await ann.hear("ack")
        daemon.kill()
        daemon.start()
        async with chat(daemon) as bob:
            await bob.say(type="subscribe", channel="c")
            assert (await bob.hear("subscribed"))["replay_count"] == 2
            heard = await bob.hear("binary")
            assert base64.b64decode(heard["binary_data"]) == PNG and heard["replayed"]
            assert heard["filename"] == "dot.png"
            empty = await bob.hear("binary")
            assert empty["binary_data"] == "" and empty["size"] == 0
        async with chat(daemon) as eve:
            await eve.socket.send(native({"channel": "other"}, PNG))
            await eve.hear("ack")
            await eve.say(type="subscribe", channel="c")
            await eve.hear("subscribed")
            _, payload, _, flags = parse_native(await eve.socket.recv())
            assert payload == PNG and flags & 8

    asyncio.run(run())


def test_bytes_that_an_admin_deleted_or_cut_are_read_as_they_are(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            data = base64.b64encode(b"x" * 300000).decode()
            for _ in range(2):
                await ann.say(**picture(channel="c", persistent=True, binary_data=data, content_type="text/plain"))
                await ann.hear("ack")
        with sqlite3.connect(daemon.database) as store:
            store.execute("DELETE FROM message_payloads WHERE offset = 1")
            store.execute("UPDATE message_payloads SET payload = x'616263' WHERE offset = 2")
        store.close()
        async with chat(daemon) as bob:
            await bob.say(type="subscribe", channel="c")
            assert (await bob.hear("subscribed"))["replay_count"] == 2
            for kept in (b"", b"abc"):
                heard = await bob.hear("binary")
                assert (base64.b64decode(heard["binary_data"]), heard["size"]) == (kept, len(kept))

    asyncio.run(run())


def test_bad_bytes_are_refused_and_the_connection_goes_on(daemon: Realtimed) -> None:
    cases = [
        (picture(channel="c", binary_data="!"), "bad_base64", "binary_data"),
        (picture(channel="c", binary_data=5), "bad_field", "binary_data"),
        ({"type": "binary", "channel": "c"}, "missing_field", "binary_data"),
        (picture(channel="c", content_type="application/zip"), "type_not_allowed", "content_type"),
        (picture(channel="c", filename="../x"), "bad_field", "filename"),
        (picture(channel="c", filename=""), "bad_field", "filename"),
        (
            picture(channel="c", binary_data=base64.b64encode(b"\x1f\x8b\x08" + bytes(60)).decode()),
            "type_not_allowed",
            "content_type",
        ),
    ]
    frames = [
        (b"", None),
        (b"\xb7\1\1", None),
        (HEAD.pack(0xB7, 9, 1, 0, 0, 3), 3),
        (HEAD.pack(0xB7, 1, 1, 0, 99, 4) + b"{}", 4),
        (native({"channel": 5}, b"x", number=5), 5),
    ]

    async def run() -> None:
        async with chat(daemon) as ann:
            for body, code, field in cases:
                await ann.say(**{**body, "id": 1})
                answer = await ann.hear()
                assert (answer["type"], answer["code"], answer["field"], answer["id"]) == (
                    "error",
                    code,
                    field,
                    1,
                )
            for frame, number in frames:
                await ann.socket.send(frame)
                answer = await ann.hear()
                assert answer["type"] == "error" and answer.get("id") == number
            await ann.say(type="ping")
            await ann.hear("pong")

    asyncio.run(run())


def test_what_is_declared_as_anything_gets_the_type_it_looks_like(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann:
            await ann.say(type="subscribe", channel="c")
            await ann.hear("subscribed")
            await ann.say(**picture(channel="c", content_type="application/octet-stream"))
            assert (await ann.hear("binary"))["content_type"] == "image/png"

    asyncio.run(run())


def test_size_and_switch_are_heeded(tmp_path: Path) -> None:
    small = Realtimed(tmp_path, BINARY_MAX_FILE_SIZE="1024")
    small.start()

    async def too_big() -> None:
        async with chat(small) as ann:
            for size, kind in ((1024, "ack"), (1025, "error"), (1200, "error")):
                data = base64.b64encode(b"a" * size).decode()
                await ann.say(**picture(channel="c", binary_data=data, content_type="text/plain"))
                answer = await ann.hear()
                assert answer["type"] == kind, (size, answer)
            assert answer["code"] == "file_too_big"

    asyncio.run(too_big())
    small.stop()
    small.settings["BINARY_DATA_ENABLED"] = "false"
    small.start()

    async def switched_off() -> None:
        async with chat(small) as ann:
            await ann.say(**picture(channel="c"))
            assert (await ann.hear())["code"] == "binary_disabled"

    asyncio.run(switched_off())
    small.stop()


# ---- compression ----


def test_compression_is_agreed_on_only_where_it_is_offered_and_on(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path)
    daemon.start()

    async def agreed(offer: str | None) -> str | None:
        async with connect(daemon, compression=offer) as client:
            await client.hear("welcome")
            return client.socket.response_headers.get("Sec-WebSocket-Extensions")

    assert asyncio.run(agreed("deflate")) == "permessage-deflate"
    assert asyncio.run(agreed(None)) is None
    daemon.stop()
    daemon.settings["BINARY_COMPRESSION_ENABLED"] = "false"
    daemon.start()
    assert asyncio.run(agreed("deflate")) is None
    daemon.stop()


def test_long_messages_go_both_ways_deflated(daemon: Realtimed) -> None:
    async def run() -> None:
        async with chat(daemon) as ann, chat(daemon, compression=None) as bob:
            for client in (ann, bob):
                await client.say(type="subscribe", channel="c")
                await client.hear("subscribed")
            for i in range(20):  # its compressor refers to what it sent before
                data = f"{i} " + "the quick brown fox " * (1 + 300 * (i % 3))
                await ann.say(type="message", channel="c", data=data)
                assert (await ann.hear("message"))["data"] == data
                assert (await bob.hear("message"))["data"] == data
            data = "y" * 20000  # in fragments, of which only the first says that it is deflated
            text = json.dumps({"type": "message", "channel": "c", "data": data})
            await ann.socket.send(text[i : i + 3000] for i in range(0, len(text), 3000))
            assert (await bob.hear("message"))["data"] == data

    asyncio.run(run())


def mask_frame(first: int, payload: bytes) -> bytes:
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack(">H", length)
    return bytes([first]) + size + bytes(4) + payload


async def close_code(reader: asyncio.StreamReader) -> int:
    """The close frame's code, passing over what comes before it."""
    while True:
        first, second = await asyncio.wait_for(reader.readexactly(2), 10)
        length = second & 0x7F
        if length == 126:
            length = int.from_bytes(await reader.readexactly(2), "big")
        payload = await reader.readexactly(length)
        if first & 0x0F == 8:
            return int.from_bytes(payload[:2], "big")


def deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15, level=9)
    return (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def test_a_bomb_is_not_inflated(tmp_path: Path) -> None:
    daemon = Realtimed(tmp_path, WEBSOCKET_BINARY_MAX_SIZE="100000")
    daemon.start()

    async def run() -> None:
        reader, writer = await raw_websocket(daemon, "permessage-deflate")
        bomb = deflate(b" " * 60_000_000)
        assert len(bomb) < 65536
        writer.write(mask_frame(0xC1, bomb))
        assert await close_code(reader) == 1009
        writer.close()

    asyncio.run(run())
    peak = int(
        next(
            line.split()[1]
            for line in Path(f"/proc/{daemon.process.pid}/status").read_text().splitlines()
            if line.startswith("VmHWM")
        )
    )
    assert peak < 400_000, "kB; sanitizers and libmagic take the most of it"
    daemon.stop()


def test_what_is_not_deflated_ends_the_connection(daemon: Realtimed) -> None:
    async def run() -> None:
        reader, writer = await raw_websocket(daemon, "permessage-deflate")
        writer.write(mask_frame(0xC1, b"\xff" * 40))
        assert await close_code(reader) == 1007
        writer.close()
        reader, writer = await raw_websocket(daemon, "permessage-deflate")
        writer.write(mask_frame(0xC1, deflate(b'{"type":"ping","id":1}')))
        assert b"welcome" in await reader.read(65536)
        writer.close()

    asyncio.run(run())


def test_the_api_publishes_bytes_and_files_over_the_bus(daemon: Realtimed) -> None:
    inline = {"content_type": "image/png", "filename": "dot.png",
              "binary_data": base64.b64encode(PNG).decode()}
    file = {"content_type": "video/mp4", "file_id": "file_x", "sha256": "ab" * 32, "size": 5_000_000}

    async def run() -> None:
        api = BusPeer(daemon.bus, "api")
        await api.connect()
        async with chat(daemon) as ann, events(daemon, "channel=c") as stream:
            await ann.say(type="subscribe", channel="c")
            await ann.hear("subscribed")
            answer = await api.ask(PUBLISH, {"channel": "c", "binary": inline, "sender": "bob", "persistent": True})
            heard = await ann.hear("binary")
            assert heard["message_id"] == answer["message_id"] and heard["sender"] == "bob"
            assert base64.b64decode(heard["binary_data"]) == PNG and heard["size"] == len(PNG)
            assert (await stream.next()) == ("binary_data", heard)
            await api.ask(PUBLISH, {"channel": "c", "binary": file, "persistent": True})
            heard = await ann.hear("binary")
            assert heard["url"] == "/realtime/files/file_x" and "binary_data" not in heard
            assert heard["sha256"] == "ab" * 32 and heard["size"] == 5_000_000

            connection_id = (await connection_ids(api))[0]
            for binary in (inline, file):
                answer = await api.ask(PUBLISH, {"connection_id": connection_id, "binary": binary})
                heard = await ann.hear("binary")
                assert heard["message_id"] == answer["message_id"] and "channel" not in heard
                assert heard["size"] == binary.get("size", len(PNG)) and "file_id" not in heard
                assert heard.get("url") == ("/realtime/files/file_x" if binary is file else None)

            for bad in ({**inline, "binary_data": "!"}, {**inline, "content_type": None}, {"content_type": "a/b"},
                        {**inline, "filename": "../x"}, {**file, "size": -1}, {**file, "sha256": None}):
                with pytest.raises(Refused):
                    await api.ask(PUBLISH, {"channel": "c", "binary": bad})
            with pytest.raises(Refused):
                await api.ask(PUBLISH, {"broadcast": True, "binary": inline})
        await api.close()

    asyncio.run(run())


async def connection_ids(api: BusPeer) -> list[str]:
    answer = await api.ask(CONNECTIONS, {})
    return [one["connection_id"] for one in answer["connections"] if one["transport"] == "websocket"]
