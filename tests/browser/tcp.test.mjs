/** Calls from networks that let no UDP out: media goes over TCP, under the same port number. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { joinCall, received } from "./browsers.mjs";
import { chromium, firefox, system, withLogs } from "./stage.mjs";
import { sleep, until } from "./system.mjs";

/** Runs in the page: it hears of no way by UDP. */
function withoutUdp() {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    const lines = sdp.split("\r\n").filter((line) => !/^a=candidate:\S+ 1 udp /.test(line));
    return original.call(this, { type, sdp: lines.join("\r\n") });
  };
}

/** The protocols of the ways that the page's media takes. */
const protocols = (page) =>
  page.evaluate(async () => {
    const reports = await window.realtime.call.connection.getStats();
    const pairs = [...reports.values()].filter((report) => report.type === "candidate-pair" && report.nominated);
    return pairs.filter(({ state }) => state === "succeeded").map((pair) => reports.get(pair.remoteCandidateId)?.protocol);
  });

// More than so many in two seconds: three browsers that begin on a busy machine take a while to get there.
async function flows(page, name, frames) {
  await until(`${name} is seen`, async () => (await received(page)).peers[name]?.frames > 0);
  await until(`${name} flows`, async () => {
    const before = (await received(page)).peers[name].frames;
    await sleep(2000);
    return (await received(page)).peers[name].frames - before > frames;
  });
}

test("a Chromium and a Firefox call over TCP, and one by UDP with them", withLogs(async () => {
  const ada = await joinCall(chromium, system, "Ada", "tcp", withoutUdp);
  const bob = await joinCall(firefox, system, "Bob", "tcp", withoutUdp);
  const eve = await joinCall(chromium, system, "Eve", "tcp");
  for (const [page, name] of [[ada, "Bob"], [bob, "Ada"], [eve, "Ada"], [ada, "Eve"]])
    await flows(page, name, 8);
  assert.deepEqual(await protocols(ada), ["tcp"]);
  assert.deepEqual(await protocols(bob), ["tcp"]);
  assert.deepEqual(await protocols(eve), ["udp"], "who can, goes by UDP");
  for (const page of [ada, bob, eve]) await page.close();
}));
