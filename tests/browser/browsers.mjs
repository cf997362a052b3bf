/** browsers.mjs - headless Chromium and Firefox with fake cameras and microphones. */
import puppeteer from "puppeteer-core";

const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-quic",
  "--no-first-run",
];

const FIREFOX_PREFERENCES = {
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.peerconnection.ice.loopback": true,
  "media.autoplay.default": 0,
};

/** @param {"chromium" | "firefox"} name */
export function launch(name) {
  if (name === "chromium") {
    return puppeteer.launch({ executablePath: "/usr/bin/chromium", args: CHROMIUM_ARGUMENTS, protocolTimeout: 60_000 });
  }
  return puppeteer.launch({
    browser: "firefox",
    executablePath: "/usr/bin/firefox-esr",
    extraPrefsFirefox: FIREFOX_PREFERENCES,
    protocolTimeout: 60_000,
  });
}

/**
 * Open the call page and join. `prepare` runs in the page before its own scripts: a function, or several with their
 * arguments, [[function, argument…]…].
 */
export async function joinCall(browser, system, name, room, prepare = []) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1180, height: 720 });
  for (const [script, ...args] of Array.isArray(prepare) ? prepare : [[prepare]]) {
    if (script) await page.evaluateOnNewDocument(script, ...args);
  }
  page.problems = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && page.problems.push(message.text()));
  page.on("pageerror", (error) => page.problems.push(String(error)));
  await page.goto(`${system.url}/?room=${room}`);
  await page.waitForFunction(() => document.getElementById("preview").srcObject !== null, { timeout: 20_000 });
  await page.evaluate(() => (document.getElementById("name").value = ""));
  await page.type("#name", name);
  await page.click("#join");
  await page.waitForFunction(() => window.realtime.call?.connection?.connectionState === "connected", { timeout: 40_000 });
  return page;
}

/** What this page receives, by peer: frames, picture size, sound, losses; and where its media goes. */
export function received(page) {
  return page.evaluate(async () => {
    const { call, tiles } = window.realtime;
    const peers = {};
    for (const [peerId, tile] of tiles) {
      const stream = tile.video.srcObject;
      if (peerId === "own" || !stream) continue;
      const entry = (peers[tile.peer?.name ?? peerId] = { frames: 0, energy: 0, audioPackets: 0, lost: 0, losses: [] });
      for (const track of stream.getTracks()) {
        const receiver = call.connection.getReceivers().find((candidate) => candidate.track === track);
        const stats = await receiver.getStats();
        for (const report of stats.values()) {
          if (report.type !== "inbound-rtp") continue;
          entry.lost += report.packetsLost ?? 0;
          if (report.packetsLost) entry.losses.push(`${report.packetsLost} of ${report.kind}`);
          if (report.kind === "video") {
            entry.frames = report.framesDecoded ?? 0;
            entry.codec = stats.get(report.codecId)?.mimeType;
            entry.width = report.frameWidth ?? tile.video.videoWidth;
          } else {
            entry.energy = report.totalAudioEnergy ?? 0;
            entry.audioBytes = report.bytesReceived ?? 0;
            entry.audioPackets = report.packetsReceived ?? 0;
          }
        }
      }
    }
    const remotes = [];
    const reports = await call.connection.getStats();
    for (const report of reports.values()) {
      if (report.type === "candidate-pair" && report.nominated && report.state === "succeeded") {
        const remote = reports.get(report.remoteCandidateId);
        remotes.push(remote?.port);
      }
    }
    return { peers, remotes };
  });
}
