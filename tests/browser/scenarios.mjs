/** scenarios.mjs - the bad networks that a call must stay watchable on, for tests and `./dev bench network`. */
import { joinCall, launch } from "./browsers.mjs";
import { backAt, Network, shown, sleep, watch, withoutCamera } from "./network.mjs";

/**
 * `side` is whose network it is; `browser` is that end's, the other is Chromium. `during` holds while it is measured; with `good` the network is good again after
 * `badSeconds`, and the time until the picture is whole is measured as well.
 */
const DISORDER = "delay=20 jitter=5 reorder=10 duplicate=5";
const NETWORKS = [
  { name: "good", side: "viewer", during: "both", aimMs: 0 },
  { name: "5 % lost to the viewer", side: "viewer", during: "down loss=5", aimMs: 0 },
  { name: "5 % lost from the publisher", side: "publisher", during: "up loss=5", aimMs: 0 },
  { name: "15 % lost to the viewer", side: "viewer", during: "down loss=15", aimMs: 500 },
  { name: "15 % lost from the publisher", side: "publisher", during: "up loss=15", aimMs: 500 },
  { name: "200 ms RTT, 30 ms jitter, viewer", side: "viewer", during: "both delay=100 jitter=30", aimMs: 0 },
  { name: "200 ms RTT, 30 ms jitter, publisher", side: "publisher", during: "both delay=100 jitter=30", aimMs: 0 },
  { name: "300 kbit/s to the viewer for 10 s", side: "viewer", before: "both rate=3000", during: "down rate=300",
    good: "both rate=3000", badSeconds: 10, aimMs: 1500, backAimMs: 10_000 },
  { name: "300 kbit/s from the publisher for 10 s", side: "publisher", before: "both rate=3000", during: "up rate=300",
    good: "both rate=3000", badSeconds: 10, aimMs: 2000 },
  { name: "5 % lost in bursts, to the viewer", side: "viewer", during: "down loss=5 burst=5", aimMs: 500 },
  { name: "5 % lost in bursts, from the publisher", side: "publisher", during: "up loss=5 burst=5", aimMs: 500 },
  { name: "10 % overtake, 5 % come twice, viewer", side: "viewer", during: `both ${DISORDER}`, aimMs: 0 },
  { name: "10 % overtake, 5 % come twice, publisher", side: "publisher", during: `both ${DISORDER}`, aimMs: 0 },
  { name: "the viewer's port changes", side: "viewer", during: "rebind", aimMs: 500 },
  { name: "the publisher's port changes", side: "publisher", during: "rebind", aimMs: 500 },
  { name: "the viewer's address changes", side: "viewer", during: "rebind 127.0.0.2", aimMs: 500 },
  { name: "the publisher's address changes", side: "publisher", during: "rebind 127.0.0.2", aimMs: 500 },
];

export const SCENARIOS = ["chromium", "firefox"].flatMap((browser) =>
  NETWORKS.map((scenario) => ({ ...scenario, browser, name: browser === "chromium" ? scenario.name : `${scenario.name}, Firefox` })),
);

export const aimed = (aimMs) => (aimMs === undefined ? "" : aimMs === 0 ? "0" : `< ${aimMs / 1000}`);

let rooms = 0;

/** To start one takes seconds: each end's browser serves all its scenarios, until closeBrowsers(). */
const browsers = new Map();

async function browserOf(side, name) {
  const key = `${side} ${name}`;
  if (!browsers.get(key)?.connected) browsers.set(key, await launch(name));
  return browsers.get(key);
}

export async function closeBrowsers() {
  await Promise.all([...browsers.values()].map((browser) => browser.close()));
  browsers.clear();
}

/** Settle first: estimates and layers need some seconds to find their level. */
const SETTLE_MS = 8_000;
/** How long the picture has to become whole again. */
const BACK_SECONDS = 10;

/** @returns {Promise<{stallMs: number, longestMs: number, frames: number, backMs?: number | null, widths: number[]}>} */
export async function runScenario(system, scenario, seconds = 20, settleMs = SETTLE_MS) {
  const room = `network-${++rooms}`;
  const [publishing, viewing] = await Promise.all(
    ["publisher", "viewer"].map((side) => browserOf(side, scenario.side === side ? scenario.browser : "chromium")),
  );
  const pages = [];
  let result;
  const network = await Network.start(system, 7);
  const prepareFor = (side) => (scenario.side === side ? network.prepare() : []);
  try {
    if (scenario.before) await network.command(scenario.before);
    pages.push(await joinCall(publishing, system, "Publisher", room, [prepareFor("publisher")]));
    const viewer = await joinCall(viewing, system, "Viewer", room, [prepareFor("viewer"), [withoutCamera]]);
    pages.push(viewer);
    await viewer.setViewport({ width: 1920, height: 1080 }); // it takes the largest picture to fill its tile
    await watch(viewer, "Publisher");
    await sleep(settleMs);
    const before = (await shown(viewer, 2)).lastWidth;
    await network.command(scenario.during);
    let measuredSeconds = seconds;
    if (scenario.good) {
      const { badSeconds } = scenario;
      measuredSeconds = Math.max(seconds, badSeconds + BACK_SECONDS);
      await sleep(badSeconds * 1000);
      await network.command(scenario.good);
      await sleep((measuredSeconds - badSeconds) * 1000);
    } else {
      await sleep(seconds * 1000);
    }
    result = await shown(viewer, measuredSeconds);
    if (scenario.good) {
      const at = backAt(result.timeline, before);
      result.backMs = at === null ? null : Math.max(0, at - scenario.badSeconds * 1000);
    }
    return result;
  } finally {
    await network.stop();
    // What went wrong may have left a page behind that takes the next scenario's time.
    await (result ? Promise.all(pages.map((page) => page.close())) : closeBrowsers());
  }
}
