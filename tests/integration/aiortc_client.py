"""A WebRTC stack of its own (aiortc, in Python) over WHIP and WHEP.

    aiortc_client.py publish URL SECONDS
    aiortc_client.py watch URL SECONDS [PUBLISHERS [FRAMES]]
    aiortc_client.py watch-silently URL SECONDS

Prints one line of JSON: {"video_frames": …, "audio_frames": …}, what was sent or what was decoded. It runs for so long, until
SIGTERM, or until so many frames of each kind came; then it ends its session with DELETE. With sound, aiortc means two things by
the extension number 2, and the relay sends it no times; silently, it estimates by them.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import urllib.parse
import urllib.request
from fractions import Fraction

import numpy
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack
from av import VideoFrame

GATHER_S = 10


class Picture(VideoStreamTrack):
    """A square that moves, 30 times a second."""

    count = 0

    async def recv(self) -> VideoFrame:
        pts, time_base = await self.next_timestamp()
        image = numpy.zeros((240, 320, 3), dtype=numpy.uint8)
        x = self.count * 4 % 280
        image[100:140, x:x + 40] = 255
        frame = VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = pts, Fraction(time_base)
        self.count += 1
        return frame


def exchange(url: str, offer: str) -> tuple[str, str]:
    """The answer, and where the session is."""
    message = urllib.request.Request(url, offer.encode(), {"Content-Type": "application/sdp"}, method="POST")
    with urllib.request.urlopen(message, timeout=20) as answer:
        return answer.read().decode(), urllib.parse.urljoin(url, answer.headers["Location"])


async def connect(peer: RTCPeerConnection, url: str) -> str:
    await peer.setLocalDescription(await peer.createOffer())
    answer, location = await asyncio.to_thread(exchange, url, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    return location


async def count(track: MediaStreamTrack, counts: dict[str, int]) -> None:
    while True:
        await track.recv()
        counts[f"{track.kind}_frames"] += 1


async def run(role: str, url: str, seconds: float, publishers: int, frames: int) -> None:
    peer = RTCPeerConnection()
    counts = {"video_frames": 0, "audio_frames": 0}
    readers: list[asyncio.Task[None]] = []
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    picture = Picture()
    if role == "publish":
        peer.addTrack(AudioStreamTrack())
        peer.addTrack(picture)
    else:
        for kind in ["video"] if role == "watch-silently" else ["audio", "video"] * publishers:
            peer.addTransceiver(kind, direction="recvonly")
        peer.on("track", lambda track: readers.append(asyncio.create_task(count(track, counts))))
    location = await connect(peer, url)
    deadline = asyncio.get_running_loop().time() + seconds
    while not ended.is_set() and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        if role == "publish":
            counts["video_frames"] = picture.count
        if frames and min(counts.values()) >= frames:
            break
    for reader in readers:
        reader.cancel()
    # Before the connection says goodbye by itself: the session would be gone, and not found any more.
    await asyncio.to_thread(urllib.request.urlopen, urllib.request.Request(location, method="DELETE"))
    await peer.close()
    print(json.dumps({**counts, "location": location}))


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], sys.argv[2], float(sys.argv[3]), int((sys.argv + [""] * 2)[4] or 1), int((sys.argv + [""] * 2)[5] or 0)))
