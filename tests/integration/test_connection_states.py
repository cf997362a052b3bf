"""Whose media does not get through is told why, by a real media server: never_connected, dtls_fingerprint, timeout.

Runs in a network namespace of its own (tests/browser/in-namespace.sh), where media has an address that a WebRTC client
accepts. All cases wait at once.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import websockets
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from answer import SDP, Answer
from system import ROOMS, ROOT, System

OFFER = (ROOT / "tests" / "fixtures" / "sdp" / "webrtcbin_offer.sdp").read_text()
PATIENCE_S = 40  # the server's limits are 10 to 15 s


class Caller:
    """A signalling connection, and the peer that it is."""

    def __init__(self, system: System, room_id: str, socket: websockets.WebSocketClientProtocol) -> None:
        self.system, self.room_id, self.socket = system, room_id, socket
        self.peer_id = self.resume_token = ""

    async def hear(self, kind: str) -> dict:
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE_S))
            if message["type"] == kind:
                return message

    async def offer(self, sdp: str) -> str:
        """Its answer. On the way we hear that media is to connect now."""
        await self.socket.send(json.dumps({"signal_type": "offer", "room_id": self.room_id, "sdp": sdp}))
        assert (await self.hear("connection-state"))["state"] == "connecting"
        answer = await self.hear("signal")
        assert answer["signal_type"] == "answer", answer
        return answer["sdp"]

    async def shown(self) -> tuple[str, dict | None]:
        """As GET participants has us, and GET participants/{peer_id}."""
        (listed,) = await asyncio.to_thread(self.system.participants, self.room_id)
        alone = await asked(self.system, "GET", f"{ROOMS}/{self.room_id}/participants/{self.peer_id}")
        assert alone.json == listed and listed["peer_id"] == self.peer_id
        return listed["connection_state"], listed["failure"]


async def asked(system: System, *arguments: object) -> Answer:
    return await asyncio.to_thread(system.request, *arguments)


async def leave_reason(system: System, room_id: str, peer_id: str) -> str:
    """Of a session that has ended, once the record says so."""
    for _ in range(200):
        answer = await asked(system, "GET", f"{ROOMS}/{room_id}/sessions", None,
                             {"Authorization": f"ApiKey {system.key}"})
        (one,) = [session for session in answer.json["items"] if session["peer_id"] == peer_id]
        if one["left_at"]:
            return one["leave_reason"]
        await asyncio.sleep(0.05)
    raise AssertionError(f"{peer_id} is still there")


@asynccontextmanager
async def calling(system: System, room_id: str) -> AsyncIterator[Caller]:
    await asyncio.to_thread(system.create_room, room_id)
    url = f"ws://127.0.0.1:{system.port}/realtime/webrtc/signaling?room_id={room_id}"
    async with websockets.connect(url, close_timeout=1) as socket:
        caller = Caller(system, room_id, socket)
        joined = await caller.hear("joined")
        caller.peer_id, caller.resume_token = joined["peer_id"], joined["resume_token"]
        assert await caller.shown() == ("new", None)
        yield caller


@asynccontextmanager
async def resuming(was: Caller) -> AsyncIterator[Caller]:
    """The same one on another signalling connection."""
    url = (f"ws://127.0.0.1:{was.system.port}/realtime/webrtc/signaling?room_id={was.room_id}"
           f"&peer_id={was.peer_id}&resume_token={was.resume_token}")
    async with websockets.connect(url, close_timeout=1) as socket:
        caller = Caller(was.system, was.room_id, socket)
        assert (await caller.hear("joined"))["resumed"]
        yield caller


async def connected(caller: Caller, *, fingerprint: str = "") -> RTCPeerConnection:
    """A peer that sends sound; its offer may announce another certificate than it has."""
    peer = RTCPeerConnection()
    peer.addTrack(AudioStreamTrack())
    await peer.setLocalDescription(await peer.createOffer())
    offer = peer.localDescription.sdp
    if fingerprint:
        offer = re.sub(r"a=fingerprint:sha-256 .*", f"a=fingerprint:sha-256 {fingerprint}", offer)
        offer = re.sub(r"a=fingerprint:sha-(384|512) .*\r\n", "", offer)
    await peer.setRemoteDescription(RTCSessionDescription(await caller.offer(offer), "answer"))
    return peer


async def never_connected_in_a_call(system: System) -> None:
    async with calling(system, "walled") as caller:
        await caller.offer(OFFER)
        assert await caller.shown() == ("connecting", None)
        failed = await caller.hear("connection-state")
        assert (failed["state"], failed["code"]) == ("failed", "never_connected")
        assert f"port {system.port + 2}" in failed["detail"] and "TURN" in failed["detail"], failed
        assert await caller.shown() == ("failed", {"code": "never_connected", "detail": failed["detail"]})
        async with resuming(caller) as again:  # which may have missed it
            assert await again.hear("connection-state") == failed
    assert await leave_reason(system, "walled", caller.peer_id) == "never_connected"


async def another_try(system: System) -> None:
    """Who could not connect may offer again, and connect after all."""
    async with calling(system, "again") as caller:
        peer = RTCPeerConnection()
        peer.addTrack(AudioStreamTrack())
        await peer.setLocalDescription(await peer.createOffer())
        await caller.offer(peer.localDescription.sdp)
        failed = await caller.hear("connection-state")
        assert (failed["state"], failed["code"]) == ("failed", "never_connected")
        answer = await caller.offer(peer.localDescription.sdp)
        assert await caller.shown() == ("connecting", None)
        await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        assert (await caller.hear("connection-state"))["state"] == "connected"
        assert await caller.shown() == ("connected", None)
    assert await leave_reason(system, "again", caller.peer_id) == "left"
    await peer.close()


async def never_connected_by_whip(system: System) -> None:
    await asyncio.to_thread(system.create_room, "unheard")
    started = await asked(system, "POST", f"{ROOMS}/unheard/whip", OFFER, SDP)
    assert started.status == 201, started.body
    location = started.headers["Location"]
    (present,) = await asyncio.to_thread(system.participants, "unheard")
    assert (present["connection_state"], present["failure"]) == ("connecting", None)
    assert await gone(system, "unheard")
    assert await leave_reason(system, "unheard", present["peer_id"]) == "never_connected"
    answer = await asked(system, "DELETE", location)
    assert (answer.status, answer.json["code"]) == (404, "session_not_found")
    assert "never_connected" in answer.json["detail"] and "firewall" in answer.json["detail"], answer.json


async def gone(system: System, room_id: str) -> bool:
    for _ in range(PATIENCE_S * 10):
        if await asyncio.to_thread(system.participants, room_id) == []:
            return True
        await asyncio.sleep(0.1)
    return False


async def another_certificate(system: System) -> None:
    async with calling(system, "forged") as caller:
        peer = await connected(caller, fingerprint=":".join(["AB"] * 32))
        failed = await caller.hear("connection-state")
        assert (failed["state"], failed["code"]) == ("failed", "dtls_fingerprint"), failed
        assert "certificate" in failed["detail"]
        lost = await caller.hear("error")
        assert lost["code"] == "media_lost" and failed["detail"] in lost["detail"]
        assert await leave_reason(system, "forged", caller.peer_id) == "dtls_fingerprint"
        await peer.close()


async def silence(system: System) -> None:
    async with calling(system, "mute") as caller:
        peer = await connected(caller)
        assert (await caller.hear("connection-state"))["state"] == "connected"
        assert await caller.shown() == ("connected", None)
        (sender,) = peer.getSenders()
        await sender.transport.transport._connection.close()  # nothing more is sent, not even a goodbye
        failed = await caller.hear("connection-state")
        assert (failed["state"], failed["code"]) == ("failed", "timeout"), failed
        assert "heard" in failed["detail"]
        assert await leave_reason(system, "mute", caller.peer_id) == "timeout"
        await peer.close()


def test_whose_media_fails_is_told_why(tmp_path: Path) -> None:
    system = System(tmp_path)
    system.start()

    async def run() -> None:
        await asyncio.gather(never_connected_in_a_call(system), another_try(system), never_connected_by_whip(system),
                             another_certificate(system), silence(system))

    try:
        asyncio.run(run())
    finally:
        system.stop()
