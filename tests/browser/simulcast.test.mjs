/** A picture in three sizes: everyone is sent the one that fits, and what nobody needs is not made. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const LARGE = { width: 1920, height: 1080 };
const SMALL = { width: 360, height: 640 };

let system, publishing, viewing;

before(async () => {
  [system, publishing, viewing] = await Promise.all([System.start(), launch("chromium"), launch("chromium")]);
});

after(async () => {
  await Promise.all([publishing?.close(), viewing?.close()]);
  await system?.stop();
});

/** The sizes that the publisher makes: {q: true, h: true, f: false}. */
const made = (page) => page.evaluate(() => {
  const sender = window.realtime.call.connection.getSenders().find(({ track }) => track?.kind === "video");
  return Object.fromEntries(sender.getParameters().encodings.map(({ rid, active }) => [rid, active]));
});

const widthOf = async (page, name) => (await received(page)).peers[name]?.width;

test("the size of the tile decides", async () => {
  const publisher = await joinCall(publishing, system, "Publisher", "sizes");
  const viewer = await joinCall(viewing, system, "Viewer", "sizes", [[withoutCamera]]);
  try {
    await viewer.setViewport(LARGE);
    await until("the whole picture", async () => (await widthOf(viewer, "Publisher")) === 1280, 30_000);
    await viewer.setViewport(SMALL);
    await until("a small one", async () => (await widthOf(viewer, "Publisher")) < 1280, 20_000);
    await until("that the large one is not made", async () => !(await made(publisher)).f, 20_000);
    assert.equal((await made(publisher)).q, true); // for whoever comes next
    await viewer.setViewport(LARGE);
    await until("that it is made again", async () => (await made(publisher)).f, 5_000);
    await until("the whole picture again", async () => (await widthOf(viewer, "Publisher")) === 1280, 20_000);
    const before = (await received(viewer)).peers.Publisher.frames;
    await until("a picture that goes on", async () => (await received(viewer)).peers.Publisher.frames > before + 20);
    await Promise.all([publisher.close(), viewer.close()]);
  } catch (error) {
    console.error(system.logs());
    throw error;
  }
});

test("two viewers of different sizes are sent different layers of one picture", async () => {
  await joinCall(publishing, system, "Publisher", "two");
  const large = await joinCall(viewing, system, "Large", "two", [[withoutCamera]]);
  const small = await joinCall(viewing, system, "Small", "two", [[withoutCamera]]);
  await small.setViewport(SMALL);
  await large.setViewport(LARGE);
  try {
    await until("a large picture and a small one", async () => {
      const [largeWidth, smallWidth] = [await widthOf(large, "Publisher"), await widthOf(small, "Publisher")];
      return smallWidth > 0 && largeWidth >= 2 * smallWidth;
    }, 30_000);
  } catch (error) {
    console.error(system.logs());
    throw error;
  }
});

test("everyone hears who speaks", async () => {
  const publisher = await joinCall(publishing, system, "Speaker", "floor"); // its microphone beeps once a second
  const viewer = await joinCall(viewing, system, "Listener", "floor", [[withoutCamera]]);
  await viewer.evaluate(() => {
    window.speakers = new Set();
    for (const track of window.realtime.call.stream.getTracks()) track.enabled = false;
    window.realtime.call.on("speaker", ({ peerId }) => window.speakers.add(peerId));
  });
  const speaker = await publisher.evaluate(() => window.realtime.call.peerId);
  await until("who speaks", () => viewer.evaluate((id) => window.speakers.has(id), speaker), 20_000);
});
