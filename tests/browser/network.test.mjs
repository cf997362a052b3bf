/** Calls over bad networks stay watchable: some of what `./dev bench network` measures, with room for a busy machine. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ONE_WORKER } from "./network.mjs";
import { runScenario, SCENARIOS } from "./scenarios.mjs";
import { System } from "./system.mjs";

let system;

before(async () => {
  system = await System.start([], ONE_WORKER);
});

after(() => system?.stop());

/** What each must hold at the least, in 10 s of it: the sanitized relay and two browsers share two cores here. */
const CHECKED = [
  { part: "15 % lost to the viewer", stallMs: 2500, frames: 100 },
  { part: "15 % lost from the publisher", stallMs: 2500, frames: 100 },
  { part: "300 kbit/s to the viewer", stallMs: 4000, frames: 100 },
  { part: "300 kbit/s from the publisher", stallMs: 5000, frames: 80 },
  { part: "viewer's address changes", stallMs: 2500, frames: 100 },
  { part: "publisher's address changes", stallMs: 2500, frames: 100 },
  { part: "15 % lost from the publisher, Firefox", stallMs: 2500, frames: 80 },
];

for (const { part, stallMs, frames } of CHECKED) {
  const scenario = SCENARIOS.find(({ name }) => name.includes(part));
  test(scenario.name, async () => {
    try {
      const result = await runScenario(system, scenario, 10, 4_000);
      const told = JSON.stringify({ ...result, timeline: undefined });
      assert.ok(result.stallMs <= stallMs, `stalled for ${result.stallMs} ms: ${told}`);
      assert.ok(result.frames >= frames, `${result.frames} frames were shown: ${told}`);
    } catch (error) {
      console.error(system.logs());
      throw error;
    }
  });
}
