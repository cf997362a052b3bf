/** A media server that is too busy (here: at one per cent of a core) lets people watch until it has room. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch, received } from "./browsers.mjs";
import { System, until } from "./system.mjs";

let system, chromium;

before(async () => {
  [system, chromium] = await Promise.all([
    System.start([], { WEBRTC_CPU_LIMIT: "1", WEBRTC_WORKERS: "1" }),
    launch("chromium"),
  ]);
});

after(async () => {
  await chromium?.close();
  await system?.stop();
});

const overloaded = async () => {
  const { text } = await system.admin("GET", "/metrics");
  return /realtime_sfu_overloaded_workers 1/.test(text);
};

test("who comes while it is busy watches, and is seen once there is room", async () => {
  const ada = await joinCall(chromium, system, "Ada", "busy");
  const others = []; // whether they are seen as well depends on how quick this machine is
  for (const name of ["Bob", "Carl"]) others.push(await joinCall(chromium, system, name, "busy"));
  await until("the worker is too busy", overloaded, 20_000);

  // In the next page's eyes the call is on as soon as Ada is seen; nothing of Grace's is sent.
  const grace = await joinCall(chromium, system, "Grace", "busy");
  await until("Grace sees Ada", async () => (await received(grace)).peers.Ada?.frames > 10);
  assert.match(await grace.$eval("#notice", (element) => element.textContent), /busy.*as soon as/);
  if (process.env.RT_SCREENSHOTS) await grace.screenshot({ path: `${process.env.RT_SCREENSHOTS}/overloaded.png` });
  assert.equal((await received(ada)).peers.Grace, undefined);

  for (const page of [ada, ...others]) await page.close();
  await until("Grace is told that there is room", () => grace.$eval("#notice", (element) => element.hidden), 20_000);
  const alan = await joinCall(chromium, system, "Alan", "busy");
  await until("Alan sees Grace", async () => (await received(alan)).peers.Grace?.frames > 10);
});
