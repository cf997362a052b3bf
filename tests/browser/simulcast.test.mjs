/** A picture in three sizes: everyone is sent the one that fits, and what nobody needs is not made. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const LARGE = { width: 1920, height: 1080 };
const SMALL = { width: 360, height: 640 };
const TINY = { width: 240, height: 240 };

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
    const stats = await until("an estimate of what the viewer's way carries", async () => {
      const { json } = await system.admin("GET", "/realtime/webrtc/rooms/sizes/stats");
      return json.peers[1]?.estimate_bps > 100_000 && json;
    });
    const [sender, watcher] = ["Publisher", "Viewer"].map((name, i) => stats.peers[i] ?? assert.fail(`no ${name}`));
    assert.equal(sender.tracks.find(({ kind }) => kind === "video").layers.length, 3);
    const picture = watcher.subscriptions.find(({ publisher_peer_id, packets }) => publisher_peer_id === sender.peer_id && packets > 0);
    assert.ok(picture, JSON.stringify(stats));
    assert.ok(sender.receiving.some(({ rid, wanted }) => rid === "f" && wanted), JSON.stringify(sender.receiving));
    const graph = await system.admin("GET", "/realtime/webrtc/rooms/sizes/graph");
    assert.match(graph.text, /^digraph pipeline/);
    assert.match(graph.headers.get("content-type"), /^text\/vnd.graphviz/);
    assert.match((await system.admin("GET", "/metrics")).text, /realtime_sfu_forwarding_seconds_count\{worker="\d+"\} [1-9]/);
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

/** Its layers are told apart by a header extension, with a structure of each layer's own. */
test("AV1 goes on from one layer to another and back", async () => {
  await system.api("POST", "/realtime/webrtc/rooms", { room_id: "av1", codecs: ["AV1"] });
  const publisher = await joinCall(publishing, system, "Publisher", "av1");
  const viewer = await joinCall(viewing, system, "Viewer", "av1", [[withoutCamera]]);
  const goesOn = async (what, isIt) => {
    await until(what, async () => isIt(await widthOf(viewer, "Publisher")), 40_000);
    const before = (await received(viewer)).peers.Publisher.frames;
    await until(`${what} that goes on`, async () => (await received(viewer)).peers.Publisher.frames > before + 20);
  };
  try {
    await viewer.setViewport(TINY);
    await goesOn("a small picture", (width) => width > 0 && width < 640);
    await viewer.setViewport(LARGE);
    await goesOn("a larger one", (width) => width >= 640);
    await viewer.setViewport(TINY);
    await goesOn("a small one again", (width) => width > 0 && width < 640);
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

/** Runs in the page before its scripts: who has the floor, as the server says. */
function keepSpeakers() {
  const speakers = (window.speakers = []);
  const Original = window.WebSocket;
  window.WebSocket = class extends Original {
    constructor(...options) {
      super(...options);
      this.addEventListener("message", ({ data }) => {
        const message = typeof data === "string" ? JSON.parse(data) : {};
        if (message.type === "active-speaker") speakers.push(message.peer_id);
      });
    }
  };
}

test("everyone hears who speaks, also who comes later", async () => {
  const publisher = await joinCall(publishing, system, "Speaker", "floor"); // its microphone beeps once a second
  const speaker = await publisher.evaluate(() => window.realtime.call.peerId);
  const viewer = await joinCall(viewing, system, "Listener", "floor", [[withoutCamera], [keepSpeakers]]);
  await until("who speaks", () => viewer.evaluate((id) => window.speakers.includes(id), speaker), 20_000);
});
