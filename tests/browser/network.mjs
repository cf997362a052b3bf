/** network.mjs - a bad network between a page and the SFU (tests/network/udp_relay.c), and what the viewer sees. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { sleep } from "./system.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const ADDRESS = "10.99.0.1"; // in-namespace.sh gives it
const STALL_MS = 250;

/** Settings of a system whose media all come to one port, the one that a network leads to. */
export const ONE_WORKER = { WEBRTC_WORKERS: "1" };

let nextPort = 19_500;

export class Network {
  /** A network in front of the SFU of `system`; `seed` repeats it. */
  static async start(system, seed = 1) {
    const network = new Network();
    network.port = nextPort++;
    network.sfuPort = system.port + 2;
    const build = process.env.RT_BUILD ?? join(ROOT, "build/asan");
    const args = [ADDRESS, network.port, ADDRESS, network.sfuPort, seed].map(String);
    network.process = spawn(join(build, "tests/udp_relay"), args, { stdio: ["pipe", "pipe", "inherit"] });
    network.waiting = [];
    createInterface({ input: network.process.stdout }).on("line", (line) => network.waiting.shift()?.(line));
    await new Promise((resolve) => network.waiting.push(resolve)); // "ready"
    return network;
  }

  async command(text) {
    const answer = new Promise((resolve) => this.waiting.push(resolve));
    this.process.stdin.write(`${text}\n`);
    if ((await answer) === "not understood") throw new Error(`udp_relay does not understand: ${text}`);
    return answer;
  }

  /** For evaluateOnNewDocument(): the page reaches the SFU through here only. */
  prepare() {
    return [rewriteCandidates, ADDRESS, this.sfuPort, this.port];
  }

  async stop() {
    const exited = new Promise((resolve) => this.process.on("exit", resolve));
    this.process.stdin.end();
    await exited;
  }
}

/** Runs in the page. */
function rewriteCandidates(address, from, to) {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function (description) {
    const seen = new Set();
    const lines = description.sdp.split("\r\n").flatMap((line) => {
      if (/^a=candidate:\S+ 1 tcp /.test(line)) return []; // it would go around the network
      const match = line.match(/^(a=candidate:\S+ 1 udp \d+) \S+ (\d+) (.*)$/);
      if (!match || Number(match[2]) !== from) return [line];
      const rewritten = `${match[1]} ${address} ${to} ${match[3]}`;
      if (seen.size > 0) return []; // one way is enough
      seen.add(rewritten);
      return [rewritten];
    });
    return original.call(this, { type: description.type, sdp: lines.join("\r\n") });
  };
}

/** Runs in the page before its scripts: it has a microphone and no camera. */
export function withoutCamera() {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = ({ audio }) => original({ audio });
}

/** Note when each frame of `name` is shown, how wide it is, and what the page says of its way. */
export async function watch(page, name) {
  await page.waitForFunction(
    (wanted) => [...window.realtime.tiles.values()].some((tile) => tile.peer?.name === wanted && tile.video.videoWidth > 0),
    { timeout: 30_000 },
    name,
  );
  await page.evaluate((wanted) => {
    const frames = (window.shownFrames = []);
    const { video } = [...window.realtime.tiles.values()].find((tile) => tile.peer?.name === wanted);
    const note = (now) => {
      frames.push([now, video.videoWidth]);
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  }, name);
}

/** What was shown in the last `seconds`: {stallMs, longestMs, frames, widths, lastWidth}. */
export async function shown(page, seconds) {
  const { frames, now } = await page.evaluate(() => ({ frames: window.shownFrames, now: performance.now() }));
  const from = now - seconds * 1000;
  const recent = frames.filter(([at]) => at >= from);
  const before = frames.findLast(([at]) => at < from)?.[0] ?? from;
  let stallMs = 0;
  let longestMs = 0;
  let last = Math.max(before, from - STALL_MS);
  for (const at of [...recent.map(([time]) => time), now]) {
    const gap = at - last;
    longestMs = Math.max(longestMs, gap);
    if (gap > STALL_MS) stallMs += gap;
    last = at;
  }
  return {
    stallMs: Math.round(stallMs),
    longestMs: Math.round(longestMs),
    frames: recent.length,
    widths: [...new Set(recent.map(([, width]) => width))],
    lastWidth: recent.at(-1)?.[1] ?? 0,
    timeline: recent.map(([at, width]) => [Math.round(at - from), width]),
  };
}

/** Milliseconds of the timeline until the picture is `width` wide for good; null: it is not. */
export function backAt(timeline, width) {
  const last = timeline.findLastIndex(([, shownWidth]) => shownWidth < width);
  return last + 1 < timeline.length ? timeline[last + 1][0] : null;
}

export { sleep };
