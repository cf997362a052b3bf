/** A large room (here: more than one is large): who speaks is seen and heard, over m-lines that stay. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { System, until } from "./system.mjs";

let system, chromium;

before(async () => {
  [system, chromium] = await Promise.all([
    System.start([], { WEBRTC_AUDIO_STREAMS: "1", WEBRTC_VIDEO_STREAMS: "1", WEBRTC_WORKERS: "1" }),
    launch("chromium"),
  ]);
});

after(async () => {
  await chromium?.close();
  await system?.stop();
});

/** Runs in the page before its scripts: how often the SFU offers. */
function countOffers() {
  window.offers = 0;
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    if (description.type === "offer") window.offers++;
    return original.call(this, description);
  };
}

const setMuted = (page, isMuted) => page.evaluate((muted) => window.realtime.call.setMuted("audio", muted), isMuted);

async function join(name, prepare) {
  const page = await joinCall(chromium, system, name, "large", prepare);
  await setMuted(page, true);
  return page;
}

const state = (page) =>
  page.evaluate(() => ({ offers: window.offers, lines: window.realtime.call.connection.getTransceivers().length }));

/** Wait until the page sees and hears `name`, and nobody else. */
async function seesOnly(page, name) {
  let frames = 0;
  await until(`${name} is seen`, async () => {
    const { peers } = await received(page);
    const before = frames;
    frames = peers[name]?.frames ?? 0;
    return frames > before && before > 0 && peers[name].energy > 0;
  });
  const { peers } = await received(page);
  for (const [other, { frames: shown, audioPackets }] of Object.entries(peers))
    assert.ok(other === name || (shown === 0 && audioPackets === 0), `${other} is shown as well`);
}

test("whoever speaks takes the one slot, without a negotiation", async () => {
  const ada = await join("Ada");
  const viewer = await join("Viewer", countOffers);
  const [bob, carl] = [await join("Bob"), await join("Carl")];
  const before = await state(viewer);
  assert.equal(before.lines, 4, "two of its own, and two slots");

  for (const [speaker, name] of [[bob, "Bob"], [carl, "Carl"], [ada, "Ada"]]) {
    await setMuted(speaker, false);
    await seesOnly(viewer, name);
    if (process.env.RT_SCREENSHOTS) await viewer.screenshot({ path: `${process.env.RT_SCREENSHOTS}/slots-${name}.png` });
    await setMuted(speaker, true);
  }
  assert.deepEqual(await state(viewer), before, "no m-line more, and nothing negotiated");

  // Who is shown leaves: somebody else is seen in the slot.
  await ada.close();
  await until("another is seen", async () => {
    const { peers } = await received(viewer);
    return (peers.Bob?.frames ?? 0) > 0 || (peers.Carl?.frames ?? 0) > 0;
  });
  assert.deepEqual(await state(viewer), before);
});
