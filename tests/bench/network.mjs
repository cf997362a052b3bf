#!/usr/bin/env node
/**
 * network - calls over bad networks: one publisher, one viewer, each a browser of its own, 20 s of each network. Whose
 * network is bad is a Chromium, and then a Firefox; the other is a Chromium.
 *
 *   ./dev bench network [--quick] [--only TEXT]
 *
 * "stall" is the time in gaps of over 250 ms between two frames that were shown. "back" is when the picture was as
 * wide again as before, counted from the end of the bad time.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
if (process.env.RT_IN_NAMESPACE !== "1") {
  const inNamespace = join(HERE, "../browser/in-namespace.sh");
  const { status } = spawnSync(inNamespace, [process.execPath, ...process.argv.slice(1)], {
    stdio: "inherit",
    env: { ...process.env, RT_BUILD: join(HERE, "../../build/release") },
  });
  process.exit(status ?? 1);
}

const { System } = await import("../browser/system.mjs");
const { aimed, closeBrowsers, runScenario, SCENARIOS } = await import("../browser/scenarios.mjs");
const { ONE_WORKER } = await import("../browser/network.mjs");

const quick = process.argv.includes("--quick");
const only = process.argv.includes("--only") ? process.argv[process.argv.indexOf("--only") + 1] : "";

console.log("network                                           stall s    aim  longest s  frames   back s   aim  widths");
const system = await System.start([], ONE_WORKER);
try {
  for (const scenario of SCENARIOS.filter(({ name }) => name.includes(only))) {
    const { stallMs, longestMs, frames, backMs, widths } = await runScenario(system, scenario, quick ? 8 : 20);
    const back = backMs === undefined ? "" : backMs === null ? "never" : (backMs / 1000).toFixed(1);
    console.log(
      `${scenario.name.padEnd(47)} ${(stallMs / 1000).toFixed(2).padStart(9)} ${aimed(scenario.aimMs).padStart(6)} ` +
        `${(longestMs / 1000).toFixed(2).padStart(10)} ${String(frames).padStart(7)} ${back.padStart(8)} ${aimed(scenario.backAimMs).padStart(5)}  ${widths.join(" ")}`,
    );
  }
} finally {
  await closeBrowsers();
  await system.stop();
}
