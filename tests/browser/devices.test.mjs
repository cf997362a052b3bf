/** Cameras and microphones that are not there, may not be used, or stop: what the page and the others are told. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { joinCall } from "./browsers.mjs";
import { chromium, firefox, system, withLogs } from "./stage.mjs";
import { until } from "./system.mjs";

/** Runs in the page before its scripts: each kind of device fails with the error of that name, if there is one. */
function failDevices(errors) {
  const original = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wish) => {
    const kind = ["video", "audio"].find((one) => wish[one] && errors[one]);
    if (kind) throw new DOMException("as the test wants it", errors[kind]);
    return original(wish);
  };
}

async function noteOf(browser, errors) {
  const page = await browser.newPage();
  await page.evaluateOnNewDocument(failDevices, errors);
  await page.goto(`${system.url}/?room=lobby`);
  const note = await until("the page has its devices, or none", () => page.evaluate(() => {
    const { textContent } = document.getElementById("preview-note");
    return textContent.startsWith("Starting") ? null : textContent;
  }));
  await page.close();
  return note;
}

test("the lobby says why there is no camera", withLogs(async () => {
  const [absent, denied, busy] = ["NotFoundError", "NotAllowedError", "NotReadableError"];
  for (const browser of [chromium, firefox]) {
    assert.match(await noteOf(browser, { video: absent }), /^No camera found\. /);
    assert.match(await noteOf(browser, { video: denied }), /^The browser may not use your camera\. /);
    assert.match(await noteOf(browser, { video: busy }), /^Your camera cannot be used: another program /);
    assert.match(await noteOf(browser, { video: absent, audio: absent }), /^No camera or microphone found\. /);
    assert.match(await noteOf(browser, { video: denied, audio: denied }), /^The browser may not use your camera and microphone\. /);
    assert.match(await noteOf(browser, { video: busy, audio: busy }), /^Your camera and microphone cannot be used: /);
  }
}));

/** As when it is unplugged: stop() alone says nothing. */
const lose = (page, kind) => page.evaluate((which) => {
  const track = window.realtime.call.stream.getTracks().find((one) => one.kind === which);
  track.stop();
  track.dispatchEvent(new Event("ended"));
}, kind);

const shown = (page) => page.evaluate(() => {
  const { element } = window.realtime.tiles.get("own");
  const pressed = (id) => document.getElementById(id).getAttribute("aria-pressed") === "true";
  return {
    notice: document.getElementById("notice").hidden ? "" : document.getElementById("notice").textContent,
    buttons: [pressed("microphone"), pressed("camera")],
    hasPicture: !element.classList.contains("without-picture"),
  };
});

/** What `page` is shown of Ann. */
const seen = (page) => page.evaluate(() => {
  const { element } = [...window.realtime.tiles.values()].find(({ peer }) => peer?.name === "Ann");
  return [!element.querySelector(".muted-mark").hasAttribute("hidden"), element.classList.contains("without-picture")];
});

test("a camera and a microphone that stop in a call are off for everybody", withLogs(async () => {
  const ann = await joinCall(chromium, system, "Ann", "unplugged");
  const bob = await joinCall(firefox, system, "Bob", "unplugged");
  await until("Bob is shown Ann", async () => assert.deepEqual(await seen(bob), [false, false]) ?? true);
  await lose(ann, "video");
  await until("Bob is shown her initials", async () => assert.deepEqual(await seen(bob), [false, true]) ?? true);
  const first = await shown(ann);
  assert.match(first.notice, /^Your camera has stopped/);
  assert.deepEqual([first.buttons, first.hasPicture], [[true, false], false]);
  await lose(ann, "audio");
  await until("Bob sees that she is silent", async () => assert.deepEqual(await seen(bob), [true, true]) ?? true);
  assert.match((await shown(ann)).notice, /^Your microphone and your camera have stopped/);

  // Who leaves and comes again comes without them.
  await ann.bringToFront();
  await ann.click("#leave");
  await ann.click("#join");
  await until("Ann is in again", async () => (await ann.evaluate(() => window.realtime.tiles.size)) === 2);
  await until("Bob is shown what there is", async () => assert.deepEqual(await seen(bob), [true, true]) ?? true);
  assert.match((await shown(ann)).notice, /have stopped/);
  await Promise.all([ann.close(), bob.close()]);
}));
