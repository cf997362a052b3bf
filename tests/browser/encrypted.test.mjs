/** Frames that are encrypted end to end (encoded transforms) pass the relay untouched: who has the key sees, who has not does not. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { joinCall, received } from "./browsers.mjs";
import { chromium, firefox, system, withLogs } from "./stage.mjs";
import { sleep, until } from "./system.mjs";

/**
 * Runs in the page before its scripts: every frame is scrambled on its way out and back on its way in. What a relay
 * may read stays as it is: the first bytes of VP8's frame header, and Opus's first byte.
 */
function encryptFrames(key) {
  const worker = new Worker(URL.createObjectURL(new Blob([`
    onrtctransform = ({ transformer }) => {
      const scramble = new TransformStream({
        transform(frame, controller) {
          const data = new Uint8Array(frame.data);
          const clear = frame.type === undefined ? 1 : frame.type === "key" ? 10 : 3;
          for (let i = clear; i < data.length; i++) data[i] ^= transformer.options.key;
          frame.data = data.buffer;
          controller.enqueue(frame);
        },
      });
      transformer.readable.pipeThrough(scramble).pipeTo(transformer.writable);
    };`], { type: "text/javascript" })));
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    constructor(...options) {
      super(...options);
      this.addEventListener("track", ({ receiver }) => (receiver.transform = new RTCRtpScriptTransform(worker, { key })));
    }
    addTransceiver(...options) {
      const transceiver = super.addTransceiver(...options);
      transceiver.sender.transform = new RTCRtpScriptTransform(worker, { key });
      return transceiver;
    }
  };
}

const seen = async (page, name) => (await received(page)).peers[name] ?? { frames: 0, energy: 0 };

test("who has the key sees and hears, and who has not does not", withLogs(async () => {
  const { status } = await system.api("POST", "/realtime/webrtc/rooms", { room_id: "secret", codecs: ["VP8"] });
  assert.equal(status, 201);
  const ada = await joinCall(chromium, system, "Ada", "secret", [[encryptFrames, 0x5a]]);
  const grace = await joinCall(firefox, system, "Grace", "secret", [[encryptFrames, 0x5a]]);
  for (const [page, other] of [[ada, "Grace"], [grace, "Ada"]]) {
    await until(`${other} is seen`, async () => {
      const { frames, energy } = await seen(page, other);
      return frames > 20 && energy > 0;
    }, 30_000);
  }
  const eve = await joinCall(chromium, system, "Eve", "secret");
  const before = await seen(ada, "Grace");
  await sleep(4_000);
  assert.ok((await seen(ada, "Grace")).frames > before.frames + 20, "those with the key go on");
  assert.ok((await seen(eve, "Grace")).frames <= 2, "without it there is no picture");
  await Promise.all([ada, grace, eve].map((page) => page.close()));
}));
