/** A picture as layers of one stream (SVC): everyone is sent those that fit, and what nobody needs is not made. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const LARGE = { width: 1920, height: 1080 };
const SMALL = { width: 360, height: 640 };

let system, publishing, viewing, other;

const launchAll = async (settings) => {
  [system, publishing, viewing, other] = await Promise.all([
    System.start([], { WEBRTC_WORKERS: "1", ...settings }), launch("chromium"), launch("chromium"), launch("chromium"),
  ]);
};

before(() => launchAll({ WEBRTC_SVC: "true" }));

const closeAll = async () => {
  await Promise.all([publishing?.close(), viewing?.close(), other?.close()]);
  await system?.stop();
};

after(closeAll);

const pictureOf = async (page, name = "Publisher") => (await received(page)).peers[name] ?? { frames: 0 };

/** What the publisher is told to make: {scalabilityMode, scaleResolutionDownBy}. */
const made = (page) => page.evaluate(() => {
  const sender = window.realtime.call.connection.getSenders().find(({ track }) => track?.kind === "video");
  return sender.getParameters().encodings[0];
});

const stats = async (room) => (await system.admin("GET", `/realtime/webrtc/rooms/${room}/stats`)).json;

const goesOn = async (page, what) => {
  const { frames } = await pictureOf(page);
  await until(`${what} that goes on`, async () => (await pictureOf(page)).frames > frames + 20, 20_000);
};

for (const codec of ["VP9", "AV1"]) {
  test(`${codec}: two viewers are sent different layers of one stream`, async () => {
    const room = `layers-${codec.toLowerCase()}`;
    await system.api("POST", "/realtime/webrtc/rooms", { room_id: room, codecs: [codec] });
    const publisher = await joinCall(publishing, system, "Publisher", room);
    const large = await joinCall(viewing, system, "Large", room, [[withoutCamera]]);
    const small = await joinCall(other, system, "Small", room, [[withoutCamera]]);
    try {
      await large.setViewport(LARGE);
      await small.setViewport(SMALL);
      for (let i = 0; i < 30; i++) {
        await new Promise((r) => setTimeout(r, 1000));
        console.log(i, await pictureOf(large), await pictureOf(small), JSON.stringify((await stats(room)).peers.map((p) => [p.tracks.map((t) => t.layers), p.subscriptions.map((s) => [s.kind, s.layer, s.temporal_layer, s.packets])])), JSON.stringify(await made(publisher)));
      }
    } catch (error) {
      console.error(system.logs());
      throw error;
    }
  });
}
