"""A WebRTC client that is not a browser: GStreamer's webrtcbin over WHIP and WHEP.

    webrtc_client.py publish URL SECONDS [CODEC]
    webrtc_client.py watch URL SECONDS [PUBLISHERS [FRAMES [CODEC]]]

CODEC is VP8 (if none is named), VP9 or H264; the viewer offers that one alone.

Runs for so long, until SIGTERM, or until so many frames and sounds were decoded; ends its session with DELETE, and prints one line of JSON: what was sent, or what
was decoded: {"video_frames": …, "audio_buffers": …, "audio_rms_db": …, "location": …}.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402



class Codec(NamedTuple):
    caps: str  # of its RTP, as SDP will have it
    encoder: str
    decoder: str


H264_PARAMETERS = (
    "packetization-mode=(string)1,profile-level-id=(string)42e01f,level-asymmetry-allowed=(string)1"
)
CODECS = {
    "VP8": Codec(
        "encoding-name=VP8,payload=96",
        "vp8enc deadline=1 keyframe-max-dist=2000 ! rtpvp8pay pt=96 picture-id-mode=15-bit",
        "rtpvp8depay ! vp8dec",
    ),
    "VP9": Codec(
        "encoding-name=VP9,payload=98",
        "vp9enc deadline=1 cpu-used=8 keyframe-max-dist=2000 ! rtpvp9pay pt=98 picture-id-mode=15-bit",
        "rtpvp9depay ! vp9dec",
    ),
    # Keyframes when asked for alone; parameter sets in packets of their own. The payloader says its
    # profile only after webrtcbin has made the offer, so it is set.
    "H264": Codec(
        f"encoding-name=H264,payload=102,{H264_PARAMETERS}",
        "openh264enc gop-size=2000 ! video/x-h264,profile=constrained-baseline"
        " ! h264parse ! rtph264pay pt=102 config-interval=-1 aggregate-mode=none"
        f" ! capssetter caps=application/x-rtp,{H264_PARAMETERS}",
        "rtph264depay ! h264parse ! openh264dec",
    ),
}
AUDIO = """
audiotestsrc is-live=true wave=sine freq=440 ! opusenc ! rtpopuspay pt=111
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""


def sources(codec: Codec) -> str:
    return (
        "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=30/1"
        f" ! {codec.encoder} ! application/x-rtp,media=video,{codec.caps} ! peer. {AUDIO}"
    )


def request(method: str, url: str, body: str = "") -> tuple[int, str, str]:
    """Status, Location (absolute) and body."""
    message = urllib.request.Request(url, body.encode() or None, method=method)
    if body:
        message.add_header("Content-Type", "application/sdp")
    try:
        with urllib.request.urlopen(message, timeout=10) as answer:
            location = urllib.parse.urljoin(url, answer.headers.get("Location", ""))
            return answer.status, location, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read().decode()


class Client:
    def __init__(self, url: str, pipeline: str) -> None:
        self.url = url
        self.location = ""
        parsed = Gst.parse_launch("webrtcbin name=peer bundle-policy=max-bundle " + pipeline)
        if isinstance(parsed, Gst.Pipeline):
            self.pipeline, self.peer = parsed, parsed.get_by_name("peer")
        else:  # a lone element comes as itself
            self.pipeline, self.peer = Gst.Pipeline.new(), parsed
            self.pipeline.add(parsed)
        self.loop = GLib.MainLoop()
        self.failure = ""
        self.result: dict[str, float] = {}
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.on_error)

    def fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        self.loop.quit()

    def on_error(self, _bus: Gst.Bus, message: Gst.Message) -> None:
        self.fail(str(message.parse_error()))

    def offer(self) -> None:
        def created(promise: Gst.Promise) -> None:
            reply = promise.get_reply()
            description = reply.get_value("offer") if reply.has_field("offer") else None
            if description is None:  # a source has not said yet what it sends
                GLib.timeout_add(50, self.offer)
                return
            self.peer.emit("set-local-description", description, Gst.Promise.new())

        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(created))

    def on_gathering(self, *_args: object) -> None:
        if self.peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.post)

    def post(self) -> bool:
        if self.location:
            return False
        offer = self.peer.get_property("local-description").sdp.as_text()
        status, self.location, answer = request("POST", self.url, offer)
        if status != 201:
            self.fail(f"{status}: {answer}")
            return False
        _, message = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.ANSWER, message
        )
        self.peer.emit("set-remote-description", description, Gst.Promise.new())
        return False

    def run(self, seconds: float) -> None:
        GLib.timeout_add(int(seconds * 1000), self.loop.quit)
        GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, self.loop.quit)
        self.loop.run()
        if self.location:
            self.result["deleted"] = request("DELETE", self.location)[0]
        self.pipeline.set_state(Gst.State.NULL)


def count(sink: Gst.Element, client: Client, name: str, enough: int) -> None:
    result = client.result

    def handed_off(*_args: object) -> None:
        result[name] = result.get(name, 0) + 1
        result.setdefault(f"{name}_first_at", time.monotonic())
        if enough and min(result.get("video_frames", 0), result.get("audio_buffers", 0)) >= enough:
            client.loop.quit()

    sink.connect("handoff", handed_off)


def publish(url: str, seconds: float, codec: Codec) -> Client:
    client = Client(url, sources(codec))
    client.pipeline.set_state(Gst.State.PLAYING)
    GLib.idle_add(lambda: client.offer() and False)
    client.run(seconds)
    return client


def watch(url: str, seconds: float, publishers: int, enough: int, codec: Codec) -> Client:
    client = Client(url, "")
    caps = (
        "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000",
        f"application/x-rtp,media=video,{codec.caps},clock-rate=90000",
    )

    def on_pad(_peer: Gst.Element, pad: Gst.Pad) -> None:
        is_video = pad.get_current_caps().get_structure(0).get_string("media") == "video"
        decoder = (
            f"{codec.decoder} ! fakesink name=sink sync=false signal-handoffs=true"
            if is_video
            else "rtpopusdepay ! opusdec ! level name=level ! fakesink name=sink sync=false signal-handoffs=true"
        )
        tail = Gst.parse_bin_from_description("queue ! " + decoder, True)
        name = "video_frames" if is_video else "audio_buffers"
        count(tail.get_by_name("sink"), client, name, enough)
        client.pipeline.add(tail)
        tail.sync_state_with_parent()
        pad.link(tail.get_static_pad("sink"))

    def on_level(_bus: Gst.Bus, message: Gst.Message) -> None:
        structure = message.get_structure()
        if structure.get_name() == "level":
            client.result["audio_rms_db"] = max(structure.get_value("rms"))

    client.peer.connect("pad-added", on_pad)
    client.pipeline.get_bus().connect("message::element", on_level)
    client.pipeline.set_state(Gst.State.PLAYING)
    for _ in range(publishers):
        for text in caps:
            client.peer.emit(
                "add-transceiver",
                GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                Gst.Caps.from_string(text),
            )
    client.offer()
    client.run(seconds)
    return client


def main() -> int:
    Gst.init(None)
    role, url, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    if role == "publish":
        client = publish(url, seconds, CODECS[sys.argv[4] if len(sys.argv) > 4 else "VP8"])
    else:
        publishers = int(sys.argv[4]) if len(sys.argv) > 4 else 1
        enough = int(sys.argv[5]) if len(sys.argv) > 5 else 0
        codec = CODECS[sys.argv[6] if len(sys.argv) > 6 else "VP8"]
        client = watch(url, seconds, publishers, enough, codec)
    if client.failure:
        print(client.failure, file=sys.stderr)
        return 1
    print(json.dumps({**client.result, "location": client.location}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
