/** The page that shows the REST API, made of the running server's own OpenAPI document. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch } from "./browsers.mjs";
import { System } from "./system.mjs";

/** @type {System} */ let system;
let browser;

before(async () => {
  system = await System.start();
  browser = await launch("chromium");
});

after(async () => {
  await browser?.close();
  await system?.stop();
});

/** Opened at an operation; whatever it complains of, or asks of another site, is collected. */
async function openDocs(hash = "", width = 1280) {
  const page = await browser.newPage();
  page.problems = [];
  page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
  page.on("pageerror", (error) => page.problems.push(String(error)));
  page.on("request", (request) => !request.url().startsWith(system.url) && page.problems.push(request.url()));
  await page.setViewport({ width, height: 900 });
  await page.goto(`${system.url}/realtime/docs${hash}`);
  await page.waitForSelector(".operation");
  return page;
}

test("every operation of the document is shown, and can be opened", async () => {
  const page = await openDocs();
  const document = (await system.api("GET", "/realtime/openapi.json")).json;
  const wanted = Object.values(document.paths).flatMap((item) => Object.values(item).map((one) => one.operationId));
  const shown = await page.$$eval(".operation", (views) => views.map((view) => view.id));
  assert.deepEqual(shown.toSorted(), wanted.toSorted());
  await page.$$eval(".operation", (views) => views.forEach((view) => (view.open = true)));
  await page.waitForFunction((count) => document.querySelectorAll(".operation .answers").length === count, {}, wanted.length);
  assert.doesNotMatch(await page.$eval("main", (main) => main.innerText), /undefined|\[object/);
  assert.deepEqual(page.problems, []);
});

test("an address with an operation opens it", async () => {
  const page = await openDocs("#roomCreate");
  await page.waitForSelector("#roomCreate[open] .fields");
  assert.match(await page.$eval("#roomCreate", (view) => view.innerText), /max_participants/);
  assert.match(await page.$eval("#roomCreate", (view) => view.innerText), /room_exists|409/);
});

test("the filter leaves what matches", async () => {
  const page = await openDocs();
  await page.type("#filter", "post rooms");
  const left = await page.$$eval(".operation:not([hidden])", (views) => views.map((view) => view.id));
  assert.ok(left.includes("roomCreate") && !left.includes("rooms") && !left.includes("send"), String(left));
  await page.type("#filter", " zzz");
  assert.equal(await page.$eval("#nothing", (nothing) => nothing.hidden), false);
});

test("an operation can be tried out", async () => {
  const page = await openDocs("#roomCreate");
  await page.waitForSelector("#roomCreate textarea");
  await page.$eval("#roomCreate textarea", (area) => (area.value = '{"room_id": "from-docs"}'));
  await page.click("#roomCreate button[type=submit]");
  await page.waitForFunction(() => /^201/.test(document.querySelector("#roomCreate .try-answer").textContent));
  assert.equal((await system.api("GET", "/realtime/webrtc/rooms/from-docs")).status, 200);
  // A wrong key is refused: it was sent, and the curl line does not show it.
  await page.type("#credential", "rtk_wrong");
  await page.click("#roomCreate button[type=submit]");
  await page.waitForFunction(() => /bad_api_key/.test(document.querySelector("#roomCreate .try-answer").textContent));
  assert.doesNotMatch(await page.$eval("#roomCreate .curl", (line) => line.textContent), /rtk_wrong/);
});

test("nothing is cut off on a telephone", async () => {
  const page = await openDocs("#binaryUpload", 375);
  await page.waitForSelector("#binaryUpload .answers");
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "it scrolls sideways");
});
