/** Packets that hold nothing show what a viewer's network carries; the viewer's picture does not notice. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch } from "./browsers.mjs";
import { Network, ONE_WORKER, sleep, withoutCamera } from "./network.mjs";
import { System, until } from "./system.mjs";

let system;

before(async () => {
  system = await System.start([], ONE_WORKER);
});

after(() => system?.stop());

/** Runs in the page before its scripts: it takes no repeats under numbers of their own (RFC 4588). */
function withoutRtx() {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    const sections = sdp.split(/(?=^m=)/m).map((section) => {
      const numbers = [...section.matchAll(/^a=rtpmap:(\d+) rtx\//gm)].map(([, number]) => number);
      const repeats = [...section.matchAll(/^a=ssrc-group:FID \d+ (\d+)/gm)].map(([, ssrc]) => ssrc);
      const lines = section.split("\r\n").filter((line) => {
        const number = line.match(/^a=(?:rtpmap|fmtp|rtcp-fb):(\d+) /)?.[1];
        const ssrc = line.match(/^a=ssrc:(\d+) /)?.[1];
        return !numbers.includes(number) && !repeats.includes(ssrc) && !line.startsWith("a=ssrc-group:FID");
      });
      lines[0] = lines[0].split(" ").filter((word, i) => i < 3 || !numbers.includes(word)).join(" ");
      return lines.join("\r\n");
    });
    return original.call(this, { type, sdp: sections.join("") });
  };
}

/** What the page says of the picture that it receives. */
const picture = (page) => page.evaluate(async () => {
  const reports = [...(await window.realtime.call.connection.getStats()).values()];
  const { framesDecoded, pliCount, nackCount, packetsLost, codecId } =
    reports.filter(({ type, kind }) => type === "inbound-rtp" && kind === "video").sort((a, b) => b.framesDecoded - a.framesDecoded)[0] ?? {};
  return { framesDecoded, pliCount, nackCount, packetsLost, codec: reports.find(({ id }) => id === codecId)?.mimeType };
});

/** What the relay says of who watches; `tracks`: all that is published. */
async function watcher(room) {
  const { json: stats } = await system.admin("GET", `/realtime/webrtc/rooms/${room}/stats`);
  const found = stats.peers.find(({ tracks }) => !tracks.some(({ kind }) => kind === "video"));
  return { ...found, published: stats.peers.flatMap(({ tracks }) => tracks) };
}

/** A call over a network of its own, in which one watches. */
async function withCall({ browser, codec = "VP8", room, prepare = [] }, run) {
  const [publishing, viewing] = await Promise.all([launch("chromium"), launch(browser)]);
  const network = await Network.start(system, 3);
  try {
    await system.api("POST", "/realtime/webrtc/rooms", { room_id: room, codecs: [codec] });
    await joinCall(publishing, system, "Publisher", room);
    const viewer = await joinCall(viewing, system, "Viewer", room, [network.prepare(), [withoutCamera], ...prepare]);
    await viewer.setViewport({ width: 1920, height: 1080 });
    await until("a picture", async () => (await picture(viewer)).framesDecoded > 30, 40_000);
    await run(viewer, network);
  } catch (error) {
    console.error(system.logs());
    throw error;
  } finally {
    await network.stop();
    await Promise.all([publishing.close(), viewing.close()]);
  }
}

/** Once the relay has sent `count` more such packets: the picture went on all the time, and was asked for by nobody. */
async function goesOnWhilePadded(viewer, room, count) {
  const [first, { padding }] = [await picture(viewer), await watcher(room)];
  const startedAt = Date.now();
  await until(`${count} packets of padding`, async () => (await watcher(room)).padding >= padding + count, 60_000, 500);
  await sleep(2_000);
  const last = await picture(viewer);
  const seconds = (Date.now() - startedAt) / 1000;
  const told = `in ${seconds} s ${JSON.stringify([first, last, (await watcher(room)).padding - padding])}`;
  assert.ok(last.framesDecoded - first.framesDecoded > 3 * seconds, told);
  assert.ok(last.pliCount - first.pliCount <= 2, told); // some of all packets are lost
  return told;
}

/** H264 is put together by sequence numbers alone; padding that is lost must be repeated for it to go on. */
for (const [browser, codec] of [["chromium", "H264"], ["firefox", "VP8"]]) {
  test(`${browser} without RTX sees ${codec} go on between packets that hold nothing`, async (context) => {
    const room = `plain-${browser}`;
    await withCall({ browser, codec, room, prepare: [[withoutRtx]] }, async (viewer, network) => {
      const answers = await viewer.evaluate(() => window.realtime.call.connection.localDescription.sdp);
      assert.doesNotMatch(answers, / rtx\//);
      assert.equal((await picture(viewer)).codec, `video/${codec}`);
      await network.command("down rate=400 loss=3"); // room for a larger picture is looked for, and not found
      await sleep(3_000);
      context.diagnostic(await goesOnWhilePadded(viewer, room, 14));
    });
  });
}

for (const browser of ["chromium", "firefox"]) {
  test(`${browser} hides the picture on a bad network, and has it back at once on a good one`, async (context) => {
    const room = `hidden-${browser}`;
    await withCall({ browser, room }, async (viewer, network) => {
      const pause = async (paused) => {
        const tracks = (await watcher(room)).published.filter(({ kind }) => kind === "video").map(({ track_id }) => track_id);
        await viewer.evaluate((ids, view) => ids.forEach((id) => window.realtime.call.describeView(id, view)), tracks, { paused });
      };
      await network.command("both rate=100");
      await until("a low estimate", async () => (await watcher(room)).estimate_bps < 110_000, 30_000);
      await pause(true);
      await network.command("both rate=3000");
      await until("room for a picture", async () => {
        const { estimate_bps, wanted_bps, padding } = await watcher(room);
        return padding > 0 && wanted_bps > 0 && estimate_bps >= wanted_bps;
      }, 40_000);
      const hidden = await picture(viewer);
      await pause(false);
      await until("the picture", async () => (await picture(viewer)).framesDecoded > hidden.framesDecoded + 30, 10_000);
      context.diagnostic(JSON.stringify([hidden, await picture(viewer), (await watcher(room)).padding]));
      assert.ok((await picture(viewer)).pliCount - hidden.pliCount <= 1);
    });
  });
}
