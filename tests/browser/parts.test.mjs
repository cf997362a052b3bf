/** A room larger than a core (here: more than one participant is large): it has parts on two workers, and is one call. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

const LARGE = { width: 1920, height: 1080 };
const SMALL = { width: 360, height: 640 };

let system, chromium, another;

before(async () => {
  [system, chromium, another] = await Promise.all([
    System.start([], { WEBRTC_WORKERS: "2", WEBRTC_PEERS_PER_WORKER: "1" }),
    launch("chromium"),
    launch("chromium"),
  ]);
});

after(async () => {
  await Promise.all([chromium?.close(), another?.close()]);
  await system?.stop();
});

const withLogs = (run) => async () => {
  try {
    await run();
  } catch (error) {
    console.error(system.logs());
    throw error;
  }
};

const stats = async (room) => (await system.admin("GET", `/realtime/webrtc/rooms/${room}/stats`)).json;

const peersOfWorkers = async () =>
  (await system.admin("GET", "/realtime/webrtc/health")).json.workers.map(({ peers }) => peers).sort();

const setMuted = (page, isMuted) => page.evaluate((muted) => window.realtime.call.setMuted("audio", muted), isMuted);

const noteSpeakers = (page) => page.evaluate(() => {
  window.speakers = [];
  window.realtime.call.on("speaker", ({ peerId }) => window.speakers.push(peerId));
});

/** Everyone's picture and sound go on at everyone else's. */
async function assertEveryoneSeesEveryone(pages) {
  for (const [name, page] of Object.entries(pages)) {
    const others = Object.keys(pages).filter((other) => other !== name);
    const read = async () => {
      const { peers } = await received(page);
      return others.every((other) => peers[other]?.frames > 5 && peers[other]?.energy > 0) && peers;
    };
    const first = await until(`${name} receives ${others}`, read, 20_000);
    await until(`${name} sees ${others} move, and hears them`, async () => {
      const now = await read();
      return now && others.every((other) => now[other].frames > first[other].frames + 5 && now[other].energy > first[other].energy);
    }, 10_000);
  }
}

test("three on two workers see and hear each other; one has the floor, one leaves", withLogs(async () => {
  const pages = {};
  for (const [name, browser] of [["Ada", chromium], ["Bob", another], ["Carl", chromium]])
    pages[name] = await joinCall(browser, system, name, "parts");
  assert.deepEqual(await peersOfWorkers(), [1, 2]);
  await assertEveryoneSeesEveryone(pages);
  const { peers } = await stats("parts");
  assert.equal(peers.length, 3, "the room is one");
  const graph = await system.admin("GET", "/realtime/webrtc/rooms/parts/graph");
  assert.equal(graph.text.match(/subgraph cluster_part/g).length, 2);

  // Everyone hears of the same speakers.
  for (const page of Object.values(pages)) {
    await setMuted(page, true);
    await noteSpeakers(page);
  }
  for (const page of [pages.Bob, pages.Ada, pages.Bob]) {
    const speaker = await page.evaluate(() => window.realtime.call.peerId);
    await setMuted(page, false);
    await until("all hear who speaks", async () => {
      const heard = await Promise.all(Object.values(pages).map((each) => each.evaluate(() => window.speakers.at(-1))));
      return heard.every((peerId) => peerId === speaker);
    });
    await setMuted(page, true);
  }
  const heard = await Promise.all(Object.values(pages).map((each) => each.evaluate(() => window.speakers.join())));
  assert.ok(heard.every((speakers) => speakers === heard[0]), `one floor, not ${heard.join(" and ")}`);
  for (const page of Object.values(pages)) await setMuted(page, false);

  await pages.Bob.click("#leave");
  for (const name of ["Ada", "Carl"])
    await until(`${name} does not see Bob any more`, () => pages[name].evaluate(() => window.realtime.tiles.size === 2), 5_000);
  delete pages.Bob;
  await assertEveryoneSeesEveryone(pages);
  for (const page of Object.values(pages)) await page.close();
}));

/** The sizes that the publisher makes: {q: true, h: true, f: false}. */
const made = (page) => page.evaluate(() => {
  const sender = window.realtime.call.connection.getSenders().find(({ track }) => track?.kind === "video");
  return Object.fromEntries(sender.getParameters().encodings.map(({ rid, active }) => [rid, active]));
});

test("who watches on another worker has what size fits, and nothing else is made", withLogs(async () => {
  const publisher = await joinCall(chromium, system, "Publisher", "sizes");
  const viewer = await joinCall(another, system, "Viewer", "sizes", [[withoutCamera]]);
  const width = async () => (await received(viewer)).peers.Publisher?.width;

  await viewer.setViewport(LARGE);
  await until("the whole picture", async () => (await width()) === 1280, 30_000);
  await viewer.setViewport(SMALL);
  await until("a small one", async () => (await width()) < 1280, 20_000);
  await until("that the large one is not made", async () => !(await made(publisher)).f, 20_000);
  await viewer.setViewport(LARGE);
  await until("the whole picture again", async () => (await width()) === 1280, 20_000);
  const before = (await received(viewer)).peers.Publisher.frames;
  await until("a picture that goes on", async () => (await received(viewer)).peers.Publisher.frames > before + 20);
  await Promise.all([publisher.close(), viewer.close()]);
}));
