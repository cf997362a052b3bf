/** Calls in each video codec, and between browsers that have none in common. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { joinCall, received } from "./browsers.mjs";
import { chromium, firefox, system, withLogs } from "./stage.mjs";
import { until } from "./system.mjs";

/** `page` decodes what `name` sends, in this codec; without one, it is heard. */
const decodes = (page, name, codec) => until(`${codec ?? "sound"} of ${name}`, async () => {
  const peer = (await received(page)).peers[name];
  if (!codec) return peer?.energy > 0;
  if (peer?.codec) assert.equal(peer.codec, `video/${codec}`);
  return peer?.frames > 20 && peer.energy > 0;
}, 20_000);

const createRoom = async (body) => {
  const { status } = await system.api("POST", "/realtime/webrtc/rooms", body);
  assert.equal(status, 201);
};

for (const codec of ["VP9", "H264", "AV1"]) {
  test(`a room of ${codec}: everyone sends it, and who comes late sees it`, withLogs(async () => {
    const room = `room-${codec.toLowerCase()}`;
    await createRoom({ room_id: room, codecs: [codec] });
    const pages = [await joinCall(chromium, system, "One", room), await joinCall(chromium, system, "Two", room)];
    await Promise.all([decodes(pages[0], "Two", codec), decodes(pages[1], "One", codec)]);
    const late = await joinCall(chromium, system, "Late", room);
    await Promise.all([decodes(late, "One", codec), decodes(late, "Two", codec), decodes(pages[0], "Late", codec)]);
    const { json } = await system.api("GET", `/realtime/webrtc/rooms/${room}/participants`);
    for (const { tracks } of json.items) {
      assert.deepEqual(tracks.map((track) => track.codec).sort(), [codec, "opus"].sort());
    }
    await Promise.all([...pages, late].map((page) => page.close()));
  }));
}

test("Chromium and Firefox meet in a room of VP9", withLogs(async () => {
  await createRoom({ room_id: "both", codecs: ["VP9"] });
  const pages = [await joinCall(chromium, system, "Chromium", "both"), await joinCall(firefox, system, "Firefox", "both")];
  await Promise.all([decodes(pages[0], "Firefox", "VP9"), decodes(pages[1], "Chromium", "VP9")]);
  await Promise.all(pages.map((page) => page.close()));
}));

test("a publisher goes on in another codec", withLogs(async () => {
  await createRoom({ room_id: "change" });
  const pages = [await joinCall(chromium, system, "One", "change"), await joinCall(chromium, system, "Two", "change")];
  await Promise.all([decodes(pages[0], "Two", "VP8"), decodes(pages[1], "One", "VP8")]);
  await pages[0].evaluate(() => {
    const { call } = window.realtime;
    const transceiver = call.connection.getTransceivers().find(({ sender }) => sender.track?.kind === "video");
    const { codecs } = RTCRtpReceiver.getCapabilities("video");
    transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/VP9"));
    return call.offer(call.connection);
  });
  await until("Two sees One in VP9", async () => {
    const { codec, frames } = (await received(pages[1])).peers.One ?? {};
    return codec === "video/VP9" && frames > 20;
  }, 20_000);
  const { frames } = (await received(pages[0])).peers.Two;
  await until("One still sees Two", async () => {
    const peer = (await received(pages[0])).peers.Two;
    return peer.codec === "video/VP8" && peer.frames > frames + 10;
  });
  const late = await joinCall(chromium, system, "Late", "change");
  await Promise.all([decodes(late, "One", "VP9"), decodes(pages[0], "Late", "VP8")]);
  await Promise.all([...pages, late].map((page) => page.close()));
}));

/** Runs in the page before its scripts: errors that the server sends are kept. */
function keepErrors() {
  const errors = (window.serverErrors = []);
  const Original = window.WebSocket;
  window.WebSocket = class extends Original {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        const message = typeof data === "string" ? JSON.parse(data) : {};
        if (message.type === "error") errors.push(message);
      });
    }
  };
}

/** The same; the camera is sent in H264 alone, which Debian's Firefox has not, and others are seen in it alone. */
function useH264() {
  const codecs = RTCRtpReceiver.getCapabilities("video").codecs.filter(({ mimeType }) => mimeType === "video/H264");
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    addTransceiver(track, ...options) {
      const transceiver = super.addTransceiver(track, ...options);
      if (track.kind === "video") transceiver.setCodecPreferences(codecs);
      return transceiver;
    }
  };
}

test("who cannot take a track is told so, and hears the rest", withLogs(async () => {
  await createRoom({ room_id: "babel" });
  const h264 = await joinCall(chromium, system, "H264", "babel", `(${keepErrors})(); (${useH264})()`);
  const other = await joinCall(firefox, system, "Other", "babel", keepErrors);
  const plain = await joinCall(chromium, system, "Plain", "babel");
  await Promise.all([
    decodes(plain, "H264", "H264"), decodes(plain, "Other", "VP8"), decodes(other, "Plain", "VP8"),
    decodes(h264, "Other"), decodes(other, "H264"),
  ]);
  const { json } = await system.api("GET", "/realtime/webrtc/rooms/babel/participants");
  const videoOf = (name) => {
    const { peer_id, tracks } = json.items.find((one) => one.name === name);
    return { publisher_peer_id: peer_id, track_id: tracks.find(({ kind }) => kind === "video").track_id };
  };
  for (const [page, name, codec] of [[h264, "Other", "VP8"], [other, "H264", "H264"]]) {
    const errors = await page.evaluate(() => window.serverErrors);
    const told = errors.filter(({ publisher_peer_id }) => publisher_peer_id === videoOf(name).publisher_peer_id);
    assert.equal(told.length, 1, JSON.stringify(errors));
    assert.equal(told[0].code, "unsupported_codec");
    assert.equal(told[0].track_id, videoOf(name).track_id);
    assert.ok(told[0].detail.includes(codec), told[0].detail);
  }
  await Promise.all([h264, other, plain].map((page) => page.close()));
}));

/** Runs in the page before its scripts: the microphone is sent redundantly. */
function preferRed() {
  const { codecs } = RTCRtpReceiver.getCapabilities("audio");
  const isRed = ({ mimeType }) => mimeType === "audio/red";
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    addTransceiver(track, ...options) {
      const transceiver = super.addTransceiver(track, ...options);
      if (track.kind === "audio") transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((one) => !isRed(one))]);
      return transceiver;
    }
  };
}

test("redundant audio is heard by who takes it and by who does not", withLogs(async () => {
  const speaker = await joinCall(chromium, system, "Speaker", "red", preferRed);
  const [modern, plain] = [await joinCall(chromium, system, "Modern", "red"), await joinCall(firefox, system, "Plain", "red")];
  await Promise.all([decodes(modern, "Speaker"), decodes(plain, "Speaker"), decodes(speaker, "Plain"), decodes(speaker, "Modern")]);
  // Browsers name the codec inside, so what tells is that everything comes twice, or once.
  const bytesPerPacket = async (page) => {
    const { audioBytes, audioPackets } = (await received(page)).peers.Speaker;
    return audioPackets > 100 ? audioBytes / audioPackets : NaN;
  };
  await until("redundant sound for one of them", async () => (await bytesPerPacket(modern)) > 1.6 * (await bytesPerPacket(plain)), 20_000);
  await Promise.all([speaker, modern, plain].map((page) => page.close()));
}));
