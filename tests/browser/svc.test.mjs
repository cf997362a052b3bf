/** A picture as layers of one stream (SVC): everyone is sent those that fit, and what nobody needs is not made. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { Network, ONE_WORKER, watch, withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const LARGE = { width: 1920, height: 1080 };
const SMALL = { width: 360, height: 640 };
const ROOM_MS = 40_000;
/** What takes long, and is less often broken: RT_LONG=1 ./dev test browser-svc */
const LONG = { skip: process.env.RT_LONG ? false : "runs with RT_LONG=1" };

let publishing, viewing, firefox;
/** The setting on, and off. */
const systems = {};

before(async () => {
  [systems.on, systems.off, publishing, viewing, firefox] = await Promise.all([
    System.start([], { ...ONE_WORKER, WEBRTC_SVC: "true" }), System.start([], ONE_WORKER),
    launch("chromium"), launch("chromium"), LONG.skip ? null : launch("firefox"),
  ]);
});

after(async () => {
  await Promise.all([publishing?.close(), viewing?.close(), firefox?.close()]);
  await Promise.all(Object.values(systems).map((system) => system.stop()));
});

/** A test in a room of VP9 of its own; every page that `join` opened is closed behind it. */
const inRoom = (system, room, codec, run) => async () => {
  const pages = [];
  const join = async (browser, name, prepare) => {
    const page = await joinCall(browser, systems[system], name, room, prepare);
    pages.push(page);
    return page;
  };
  try {
    await systems[system].api("POST", "/realtime/webrtc/rooms", { room_id: room, codecs: [codec] });
    await run(join);
  } catch (error) {
    console.error(systems[system].logs());
    throw error;
  } finally {
    await Promise.all(pages.map((page) => page.close()));
  }
};

const pictureOf = async (page, name = "Publisher") => (await received(page)).peers[name] ?? { frames: 0 };
const isWide = (page, isIt) => async () => isIt((await pictureOf(page)).width);
const isLarge = (width) => width === 1280;
const isSmall = (width) => width > 0 && width <= 640;

/** A page behind another one is not laid out anew: wait until it has been. */
async function resize(page, size) {
  await page.bringToFront();
  await page.setViewport(size);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** How often the page asked for a keyframe: when it cannot decode what it gets. */
const keyframesAsked = (page) => page.evaluate(async () => {
  const reports = [...(await window.realtime.call.connection.getStats()).values()];
  return reports.filter(({ type, kind }) => type === "inbound-rtp" && kind === "video").reduce((sum, { pliCount }) => sum + pliCount, 0);
});

/** They show more and more, and miss nothing: a busy machine may lose a packet for good now and then, but not always. */
async function goOn(pages) {
  for (let attempt = 0; attempt < 3; attempt++) {
    const asked = await Promise.all(pages.map(keyframesAsked));
    for (const page of pages) {
      const { frames } = await pictureOf(page);
      await until("a picture that goes on", async () => (await pictureOf(page)).frames > frames + 40, 20_000);
    }
    if ((await Promise.all(pages.map(keyframesAsked))).every((count, i) => count === asked[i])) return;
  }
  assert.fail("they cannot do with what they get, and ask for keyframes");
}

/** How the camera is sent. */
const made = (page) => page.evaluate(() => {
  const sender = window.realtime.call.connection.getSenders().find(({ track }) => track?.kind === "video");
  return sender.getParameters().encodings.map(({ scalabilityMode, scaleResolutionDownBy }) => ({ scalabilityMode, scaleResolutionDownBy }));
});

/** The layers of the one picture in the room, and which of them each who is sent it gets: [2, 0]. */
async function layersOf(system, room) {
  const { json } = await systems[system].admin("GET", `/realtime/webrtc/rooms/${room}/stats`);
  const videos = json.peers.flatMap(({ subscriptions }) => subscriptions).filter(({ kind, packets }) => kind === "video" && packets > 0);
  const { layers } = json.peers.flatMap(({ tracks }) => tracks).find(({ kind }) => kind === "video");
  return { layers, sent: videos.map(({ layer }) => layer) };
}

test("two viewers of different sizes are sent different layers of one stream", inRoom("on", "two", "VP9", async (join) => {
  const publisher = await join(publishing, "Publisher");
  assert.deepEqual(await made(publisher), [{ scalabilityMode: "L3T3_KEY", scaleResolutionDownBy: 1 }]);
  const large = await join(viewing, "Large", [[withoutCamera]]);
  const small = await join(viewing, "Small", [[withoutCamera]]);
  await resize(small, SMALL);
  await resize(large, LARGE);
  await until("a large picture", isWide(large, isLarge), ROOM_MS);
  await until("a small one", isWide(small, isSmall), ROOM_MS);
  await goOn([large, small]);
  const { layers } = await layersOf("on", "two");
  assert.deepEqual(layers.map(({ width, height }) => [width, height]), [[320, 180], [640, 360], [1280, 720]]);
  assert.ok(layers.every(({ bitrate_bps }, i) => bitrate_bps > (layers[i - 1]?.bitrate_bps ?? 0)), "each costs those below it as well");
  await until("that is told", async () => {
    const { layers: now, sent } = await layersOf("on", "two");
    return now.every(({ wanted, off }) => wanted && !off) && sent.includes(2) && Math.min(...sent) < 2;
  }, ROOM_MS);
  await resize(large, SMALL);
  await resize(small, LARGE);
  await until("the large one small", isWide(large, isSmall), ROOM_MS);
  await until("the small one large", isWide(small, isLarge), ROOM_MS);
  await goOn([large, small]);
}));

test("layers that nobody needs are not made, and are there again when somebody does", inRoom("on", "off", "VP9", async (join) => {
  const publisher = await join(publishing, "Publisher");
  const viewer = await join(viewing, "Viewer", [[withoutCamera]]);
  await resize(viewer, LARGE);
  await until("a large picture", isWide(viewer, isLarge), ROOM_MS);
  await resize(viewer, SMALL);
  await until("that less is made", async () => (await made(publisher))[0].scaleResolutionDownBy > 1, ROOM_MS);
  await until("a small picture", isWide(viewer, isSmall), ROOM_MS);
  await goOn([viewer]);
  await resize(viewer, LARGE);
  await until("that all is made", async () => (await made(publisher))[0].scalabilityMode === "L3T3_KEY", ROOM_MS);
  await until("a large picture again", isWide(viewer, isLarge), ROOM_MS);
  await goOn([viewer]);
}));

test("a narrow way gets smaller layers, and all of them when it is wide", LONG, inRoom("on", "narrow", "VP9", async (join) => {
  const network = await Network.start(systems.on, 7);
  try {
    await network.command("both rate=4000");
    await join(publishing, "Publisher");
    const viewer = await join(viewing, "Viewer", [network.prepare(), [withoutCamera]]);
    await resize(viewer, LARGE);
    await watch(viewer, "Publisher");
    await until("a large picture", isWide(viewer, isLarge), ROOM_MS);
    await network.command("down rate=500");
    await until("a smaller one", isWide(viewer, isSmall), ROOM_MS);
    const { frames } = await pictureOf(viewer);
    await until("that goes on", async () => (await pictureOf(viewer)).frames > frames + 40, 20_000);
    await network.command("down rate=4000");
    await until("a large one again", isWide(viewer, isLarge), 2 * ROOM_MS);
    await goOn([viewer]);
  } finally {
    await network.stop();
  }
}));

/** What a dependency descriptor tells is agreed on by who sends a picture itself; Firefox knows none. */
test("who is told of dependencies and who is not, both see what they asked for", LONG, inRoom("on", "told", "VP9", async (join) => {
  await join(publishing, "Publisher");
  const told = await join(viewing, "Told");
  const other = await join(firefox, "Firefox", [[withoutCamera]]);
  await resize(told, LARGE);
  await resize(other, SMALL);
  await until("a picture each", async () => (await pictureOf(told)).frames > 20 && (await pictureOf(other)).frames > 20, ROOM_MS);
  await until("a small one in Firefox", isWide(other, (width) => width > 0 && width < 640), ROOM_MS);
  await goOn([other]);
  await resize(other, LARGE);
  await until("a large one in Firefox", isWide(other, isLarge), ROOM_MS);
  await resize(told, SMALL);
  await until("a small one in Chromium", isWide(told, isSmall), ROOM_MS);
  await goOn([told, other]);
}));

/** What crosses is one stream, whatever layers of it somebody there is sent; which are needed is told back. */
test("a room with parts on two workers knows what of a stream is needed in each", LONG, async () => {
  systems.parts = await System.start([], { WEBRTC_SVC: "true", WEBRTC_WORKERS: "2", WEBRTC_PEERS_PER_WORKER: "1" });
  await inRoom("parts", "parts", "VP9", async (join) => {
    const publisher = await join(publishing, "Publisher");
    const one = await join(viewing, "One", [[withoutCamera]]);
    await resize(one, SMALL);
    const two = await join(viewing, "Two", [[withoutCamera]]);
    await resize(two, SMALL);
    await until("that less is made", async () => (await made(publisher))[0].scaleResolutionDownBy > 1, ROOM_MS);
    await until("a small picture each", async () => (await isWide(one, isSmall)()) && (await isWide(two, isSmall)()), ROOM_MS);
    for (const page of [one, two]) {
      await resize(page, LARGE);
      await until("a large picture", isWide(page, isLarge), ROOM_MS);
      await resize(page, SMALL);
      await until("a small one", isWide(page, isSmall), ROOM_MS);
    }
    await goOn([one, two]);
  })();
});

/** Runs in the page before its scripts: the camera is sent in layers although nobody asked for that. */
function sendLayers(scalabilityMode, scaleResolutionDownBy = 1) {
  const Original = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Original {
    addTransceiver(track, { sendEncodings, ...options } = {}) {
      const layers = [{ maxBitrate: 1_700_000, scaleResolutionDownBy, scalabilityMode }];
      return super.addTransceiver(track, { ...options, ...(sendEncodings && { sendEncodings: layers }) });
    }
  };
}

test("with the setting off everyone is sent all layers of who sends some", inRoom("off", "all", "VP9", async (join) => {
  await join(publishing, "Publisher", [[sendLayers, "L3T3_KEY"]]);
  const large = await join(viewing, "Large", [[withoutCamera]]);
  const small = await join(viewing, "Small", [[withoutCamera]]);
  await resize(large, LARGE);
  await resize(small, SMALL);
  await until("a large picture", isWide(large, isLarge), ROOM_MS);
  await until("the same for who shows it small", isWide(small, isLarge), ROOM_MS);
  await goOn([large, small]);
  assert.equal((await layersOf("off", "all")).layers.length, 1);
}));

test("layers that always need each other can be chosen among as well", LONG, inRoom("on", "full", "VP9", async (join) => {
  await join(publishing, "Publisher", [[sendLayers, "L3T3"]]);
  const large = await join(viewing, "Large", [[withoutCamera]]);
  const small = await join(viewing, "Small", [[withoutCamera]]);
  await resize(large, LARGE);
  await resize(small, SMALL);
  await until("a large picture", isWide(large, isLarge), ROOM_MS);
  await until("a small one", isWide(small, isSmall), ROOM_MS);
  await goOn([large, small]);
}));

test("of AV1 who is told of dependencies gets what fits, and who is not the lowest layer", LONG, inRoom("on", "av1", "AV1", async (join) => {
  await join(publishing, "Publisher", [[sendLayers, "L3T3_KEY"]]);
  const told = await join(viewing, "Told", [[sendLayers, "L1T3", 8]]);
  await resize(told, LARGE);
  await until("a large picture", isWide(told, isLarge), ROOM_MS);
  await goOn([told]);
  await resize(told, SMALL);
  await until("a small one", isWide(told, isSmall), ROOM_MS);
  await goOn([told]);
  const other = await join(viewing, "Other", [[withoutCamera]]);
  await resize(other, LARGE);
  await until("the lowest layer", isWide(other, (width) => width === 320), ROOM_MS);
  await goOn([told, other]);
  assert.equal((await pictureOf(other)).width, 320);
}));
