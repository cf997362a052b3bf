/** A picture in one size on a narrow way: its frame rate falls, and it goes on without a gap. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { Network, ONE_WORKER, shown, sleep, watch, withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const SOUND_KBPS = 45;

let system, publishing, viewing;

before(async () => {
  [system, publishing, viewing] = await Promise.all([System.start([], ONE_WORKER), launch("chromium"), launch("chromium")]);
});

after(async () => {
  await Promise.all([publishing?.close(), viewing?.close()]);
  await system?.stop();
});

/** Runs in the page before its scripts: the camera is sent in one size, in three temporal layers. */
function sendOneSize() {
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    addTransceiver(track, { sendEncodings, ...options } = {}) {
      return super.addTransceiver(track, {
        ...options,
        ...(sendEncodings && { sendEncodings: [{ maxBitrate: 400_000, scaleResolutionDownBy: 4, scalabilityMode: "L1T3" }] }),
      });
    }
  };
}

/** How the room's viewer is sent the picture, as the relay tells it: null when all of it is. */
const temporalLayer = async (room) => {
  const { json } = await system.admin("GET", `/realtime/webrtc/rooms/${room}/stats`);
  const videos = json.peers.flatMap(({ subscriptions }) => subscriptions).filter(({ kind, packets }) => kind === "video" && packets > 0);
  return videos.length === 1 ? videos[0].temporal_layer : undefined;
};

/** What the publisher sends, in kbit/s. */
const videoRate = async (room) => {
  const { json } = await system.admin("GET", `/realtime/webrtc/rooms/${room}/stats`);
  return json.peers.flatMap(({ tracks }) => tracks).find(({ kind }) => kind === "video").layers[0].bitrate_bps / 1000;
};

const framesOf = async (page) => (await received(page)).peers.Publisher.frames;

for (const codec of ["VP8", "VP9", "AV1"]) {
  test(`${codec} on a narrow way loses frame rate, and gets it back`, async () => {
    const room = `narrow-${codec}`;
    await system.api("POST", "/realtime/webrtc/rooms", { room_id: room, codecs: [codec] });
    const network = await Network.start(system, 7);
    try {
      await network.command("both rate=3000");
      const publisher = await joinCall(publishing, system, "Publisher", room, sendOneSize);
      const viewer = await joinCall(viewing, system, "Viewer", room, [network.prepare(), [withoutCamera]]);
      await watch(viewer, "Publisher");
      await until("all of the picture", async () => (await temporalLayer(room)) === null, 20_000);
      await sleep(4000); // until the publisher sends all that it may
      const whole = (await shown(viewer, 3)).frames / 3;
      await network.command(`down rate=${Math.round(0.75 * (await videoRate(room)) + SOUND_KBPS)}`);
      await until("fewer pictures", async () => [0, 1].includes(await temporalLayer(room)), 30_000);
      await sleep(2000);
      const before = await framesOf(viewer);
      await sleep(5000);
      const { longestMs, frames } = await shown(viewer, 5);
      assert.ok((await framesOf(viewer)) >= before + 15, "they are decoded");
      assert.ok(frames / 5 < whole * 0.8, `${frames / 5} pictures a second, of ${whole}`);
      assert.ok(longestMs < 2000, `stood still for ${longestMs} ms`);
      await network.command("down rate=3000");
      await until("all of the picture again", async () => (await temporalLayer(room)) === null, 30_000);
      const after = await framesOf(viewer);
      await until("that goes on", async () => (await framesOf(viewer)) > after + 40);
      await Promise.all([publisher.close(), viewer.close()]);
    } catch (error) {
      console.error(system.logs());
      throw error;
    } finally {
      await network.stop();
    }
  });
}
