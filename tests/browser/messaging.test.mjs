/** Channels in real browsers: the RealtimeClient of www/, the browser's own EventSource, REST beside them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { joinCall, launch } from "./browsers.mjs";
import { System, until } from "./system.mjs";

const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** realtimed is back before an EventSource asks again. */
/** @type {System} */ let system;
/** An EventSource asks again long before realtimed is back, and is answered 503. */
/** @type {System} */ let slow;
const browsers = {};

before(async () => {
  system = await System.start(["--restart-delay", "0.5"]);
  process.env.SSE_RETRY_TIMEOUT = "200";
  slow = await System.start(["--restart-delay", "1.5"]);
  [browsers.chromium, browsers.firefox] = await Promise.all([launch("chromium"), launch("firefox")]);
});

after(async () => {
  await Promise.all(Object.values(browsers).map((browser) => browser.close()));
  await system?.stop();
  await slow?.stop();
});

/** @param {string} title @param {(browser: any, channel: string) => Promise<void>} run */
function inEachBrowser(title, run) {
  for (const name of ["chromium", "firefox"]) {
    test(`${name}: ${title}`, async () => {
      try {
        await run(browsers[name], `${name}: ${title}`);
      } catch (error) {
        console.error(system.logs(), slow.logs());
        throw error;
      }
    });
  }
}

async function openPage(browser, at = system) {
  const page = await browser.newPage();
  await page.goto(`${at.url}/realtime/test`);
  return page;
}

/** A client on this page that collects the data of all messages in `got`. */
const startClient = (page, channel, subscription = {}) =>
  page.evaluate(async (name, options) => {
    const { RealtimeClient, socketUrl } = await import("/realtime/static/realtime.js");
    const client = new RealtimeClient(socketUrl("/realtime/ws"));
    window.client = client;
    window.got = [];
    client.on("message", (message) => window.got.push(message.data));
    client.connectWebSocket();
    await client.subscribe(name, options);
  }, channel, subscription);

const startEventSource = (page, channel) =>
  page.evaluate((name) => new Promise((resolve) => {
    const source = new EventSource(`/realtime/events?channel=${encodeURIComponent(name)}`);
    window.source = source;
    window.got = [];
    window.drops = 0;
    source.addEventListener("message", (event) => window.got.push(JSON.parse(event.data).data));
    source.addEventListener("error", () => window.drops++);
    source.addEventListener("open", resolve);
  }), channel);

const got = (page) => page.evaluate(() => window.got);

async function untilGot(page, wanted) {
  await until(`the page has ${JSON.stringify(wanted)}`, async () => (await got(page)).length >= wanted.length);
  assert.deepEqual(await got(page), wanted);
}

async function send(at, channel, data, persistent = true) {
  const { status, text } = await at.api("POST", "/realtime/send", { channel, data, persistent });
  assert.equal(status, 201, text);
}

const publish = (page, channel, list) =>
  page.evaluate(async (name, all) => {
    for (const one of all) await window.client.publish(name, one, { persistent: true });
  }, channel, list);

async function restart(at) {
  const pid = at.pid("realtimed");
  at.kill("realtimed");
  await until("realtimed is back", async () =>
    at.pid("realtimed") !== pid && (await at.api("GET", "/realtime/health")).status === 200);
}

inEachBrowser("what is stored comes back after a reload, once and in order", async (browser, channel) => {
  const page = await openPage(browser);
  await startClient(page, channel);
  await publish(page, channel, numbers(1, 20));
  await untilGot(page, numbers(1, 20));
  await page.reload();
  await startClient(page, channel);
  await publish(page, channel, [21]);
  await untilGot(page, numbers(1, 21));
  await page.reload();
  await startClient(page, channel, { history: { limit: 5 } });
  await publish(page, channel, [22]);
  await untilGot(page, numbers(17, 22));
  await page.close();
});

inEachBrowser("a client that was away gets what it missed and nothing twice", async (browser, channel) => {
  const page = await openPage(browser);
  await startClient(page, channel);
  await publish(page, channel, numbers(1, 5));
  await untilGot(page, numbers(1, 5));
  await page.evaluate(() => new Promise((resolve) => {
    window.client.on("close", resolve, { once: true });
    window.client.disconnect();
  }));
  for (const number of numbers(6, 10)) await send(system, channel, number);
  await page.evaluate(() => window.client.connectWebSocket());
  await untilGot(page, numbers(1, 10));
  await publish(page, channel, [11]);
  await untilGot(page, numbers(1, 11));
  await page.close();
});

inEachBrowser("a restart of realtimed loses nothing and doubles nothing", async (browser, channel) => {
  const page = await openPage(browser);
  await startClient(page, channel);
  await publish(page, channel, numbers(1, 10));
  await restart(system);
  for (const number of numbers(11, 20)) await send(system, channel, number);
  await untilGot(page, numbers(1, 20));
  await publish(page, channel, [21]);
  await untilGot(page, numbers(1, 21));
  await page.close();
});

inEachBrowser("what is published without a connection waits for one", async (browser, channel) => {
  const page = await openPage(browser);
  await startClient(page, channel);
  await page.evaluate(() => {
    window.client.on("close", () => (window.wasLost = true));
  });
  system.kill("realtimed");
  await until("the client has noticed", () => page.evaluate(() => window.wasLost), 5000, 20);
  await publish(page, channel, ["while away"]);
  await untilGot(page, ["while away"]);
  await page.close();
});

inEachBrowser("EventSource hears WebSocket and REST, and resumes after a drop", async (browser, channel) => {
  const [speaker, listener] = [await openPage(browser), await openPage(browser)];
  await startClient(speaker, channel);
  await startEventSource(listener, channel);
  await publish(speaker, channel, ["by WebSocket"]);
  await send(system, channel, "by REST");
  await send(system, channel, "not stored", false);
  await untilGot(listener, ["by WebSocket", "by REST", "not stored"]);
  await restart(system);
  await send(system, channel, "meanwhile");
  await until("the EventSource has noticed", () => listener.evaluate(() => window.drops > 0));
  await untilGot(listener, ["by WebSocket", "by REST", "not stored", "meanwhile"]);
  await publish(speaker, channel, ["live again"]);
  await untilGot(listener, ["by WebSocket", "by REST", "not stored", "meanwhile", "live again"]);
  await Promise.all([speaker.close(), listener.close()]);
});

inEachBrowser("an EventSource of two channels hears bytes and messages, and goes on in both", async (browser, channel) => {
  const [speaker, listener] = [await openPage(browser), await openPage(browser)];
  const channels = [`${channel} a`, `${channel} b`];
  await startClient(speaker, channels[0]);
  await listener.evaluate((names) => new Promise((resolve) => {
    const query = names.map((name) => `channel=${encodeURIComponent(name)}`).join("&");
    const source = new EventSource(`/realtime/events?${query}`);
    window.got = [];
    window.drops = 0;
    const note = (event) => {
      const { channel: where, data, binary_data: bytes } = JSON.parse(event.data);
      window.got.push(`${event.type} ${names.indexOf(where)} ${bytes ? atob(bytes) : data}`);
    };
    for (const type of ["message", "binary_data"]) source.addEventListener(type, note);
    source.addEventListener("error", () => window.drops++);
    source.addEventListener("open", resolve);
  }), channels);
  await send(system, channels[0], 1);
  await send(system, channels[1], 2);
  await speaker.evaluate((name) => window.client.request({
    type: "binary", channel: name, binary_data: btoa("%PDF-1.7"), content_type: "application/pdf" }), channels[1]);
  const before = ["message 0 1", "message 1 2", "binary_data 1 %PDF-1.7"];
  await untilGot(listener, before);
  await restart(system);
  await send(system, channels[1], 3);
  await send(system, channels[0], 4);
  await untilGot(listener, [...before, "message 1 3", "message 0 4"]);
  assert.ok(await listener.evaluate(() => window.drops) > 0);
  await Promise.all([speaker.close(), listener.close()]);
});

inEachBrowser("the browser's own EventSource goes on when realtimed was away for longer than its retry", async (browser, channel) => {
  const page = await openPage(browser, slow);
  await page.evaluate(async (name) => {
    const { RealtimeClient } = await import("/realtime/static/realtime.js");
    window.client = new RealtimeClient("", "/realtime/events");
    window.got = [];
    window.client.on("message", (message) => window.got.push(message.data));
    window.client.connectSSE(name);
    await new Promise((resolve) => window.client.on("sse-open", resolve, { once: true }));
    window.source = window.client.eventSource;
  }, channel);
  await send(slow, channel, 1);
  await untilGot(page, [1]);
  await restart(slow);
  await send(slow, channel, 2);
  await untilGot(page, [1, 2]);
  const isTheSame = await page.evaluate(() => window.client.eventSource === window.source && window.source.readyState === 1);
  assert.ok(isTheSame, "no HTTP error made it give up");
  await page.close();
});

inEachBrowser("binary messages: a picture is shown, a PDF is saved, a script is neither", async (browser) => {
  const page = await openPage(browser);
  const shown = await page.evaluate(async () => {
    const { RealtimeClient } = await import("/realtime/static/realtime.js");
    const client = new RealtimeClient("", "");
    const saved = [];
    HTMLAnchorElement.prototype.click = function () {
      saved.push([this.download, fetch(this.href).then((response) => response.text())]);
    };
    const gif = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    client.handleBinaryData({ content_type: "image/gif", filename: "dot.gif", binary_data: gif });
    client.handleBinaryData({ content_type: "application/pdf", filename: "a.pdf", binary_data: btoa("%PDF-1.7") });
    let refused;
    try {
      client.handleBinaryData({ content_type: "image/gif", url: "javascript:alert(1)" });
    } catch (error) {
      refused = error.code;
    }
    const image = document.body.lastElementChild;
    await image.decode();
    return { alt: image.alt, width: image.naturalWidth, file: [saved[0][0], await saved[0][1]], count: saved.length, refused };
  });
  assert.deepEqual(shown, { alt: "dot.gif", width: 1, file: ["a.pdf", "%PDF-1.7"], count: 1, refused: "bad_url" });
  await page.close();
});

inEachBrowser("what people type is never markup", async (browser, channel) => {
  const room = channel.replace(/[^a-z]+/g, "_");
  const evil = `<img src="x" onerror="window.wasRun = true"><script></script>`;
  const page = await joinCall(browser, system, evil, room);
  await page.type("#chat-text", evil);
  await page.keyboard.press("Enter");
  const message = { text: evil, name: evil, from: "somebody" };
  await send(system, `room:${room}`, message);
  const texts = await until("both are in the chat", () => page.evaluate(() => {
    const all = [...document.querySelectorAll("#messages .text")].map((one) => one.textContent);
    return all.length === 2 && all;
  }));
  assert.deepEqual(texts, [evil, evil]);
  assert.equal(await page.evaluate(() => document.querySelector("#messages b").textContent), evil);
  assert.equal(await page.evaluate(() => document.querySelector(".tile .who").textContent), `${evil} (you)`);
  await page.goto(`${system.url}/realtime/test`);
  await page.click("#connect");
  await page.evaluate((name) => (document.getElementById("channel").value = name), `room:${room}`);
  await page.click("#subscribe-form button");
  await until("the log has it", () => page.evaluate(() => document.getElementById("log").textContent.includes("onerror")));
  assert.equal(await page.evaluate(() => document.querySelectorAll("#log img, #log script").length), 0);
  assert.equal(await page.evaluate(() => window.wasRun), undefined);
  await page.close();
});

inEachBrowser("the test page says what may be wrong with a connection that does not open", async (browser) => {
  const page = await openPage(browser);
  await page.type("#api-key", "neither token nor key");
  await page.click("#connect");
  await until("the log tells", () => page.evaluate(() => document.getElementById("log").textContent.includes("the key or token is refused")));
  await page.close();
});
