/** RealtimeClient against a socket whose other end is the test. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { backoffMs, eventsUrl, RealtimeClient, socketUrl } from "../../../www/realtime.js";
import { FakeEventSource, FakeSocket } from "./fake_socket.mjs";

globalThis.WebSocket = FakeSocket;
globalThis.EventSource = FakeEventSource;
globalThis.CustomEvent ??= class extends Event {
  constructor(type, { detail }) {
    super(type);
    this.detail = detail;
  }
};

beforeEach(() => {
  FakeSocket.all = [];
  FakeEventSource.all = [];
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});
afterEach(() => mock.timers.reset());

const settled = () => new Promise((resolve) => setImmediate(resolve));

function connected(options) {
  const client = new RealtimeClient("ws://host/realtime/ws", undefined, options);
  client.connectWebSocket();
  FakeSocket.last.welcome();
  return client;
}

/** A subscription that stands at an offset. */
async function subscribed(client, channel, offset) {
  const answer = client.subscribe(channel);
  FakeSocket.last.answer("subscribe", { type: "subscribed", channel, epoch: "e", offset, replay_count: 0 });
  await answer;
}

const recoverOf = (socket) => socket.sent.find((one) => one.type === "subscribe").recover;

test("back-off stays between nothing and 20 s", () => {
  for (let attempt = 0; attempt < 40; attempt++) {
    const delay = backoffMs(attempt);
    assert.ok(delay >= 0 && delay <= Math.min(20_000, 500 * 2 ** attempt));
  }
});

test("addresses follow the page's scheme and are escaped", () => {
  assert.equal(socketUrl("/realtime/ws", { protocol: "https:", host: "a:1" }), "wss://a:1/realtime/ws");
  assert.equal(socketUrl("/realtime/ws", { protocol: "http:", host: "a" }), "ws://a/realtime/ws");
  assert.equal(
    eventsUrl("/e", ["a b", "c&d"], { lastEventId: "01", token: "x=y" }),
    "/e?channel=a%20b&channel=c%26d&last_event_id=01&token=x%3Dy",
  );
  assert.equal(
    eventsUrl("/e", ["a"], { filters: { binary_data: false }, presence: true, joinLeave: true }),
    "/e?channel=a&filters=%7B%22binary_data%22%3Afalse%7D&presence=true&join_leave=true",
  );
});

test("a token travels as a subprotocol, and there is one socket however often one asks", () => {
  const client = new RealtimeClient("ws://host/ws", undefined, { token: "t" });
  client.connectWebSocket();
  client.connectWebSocket();
  assert.equal(FakeSocket.all.length, 1);
  assert.deepEqual(FakeSocket.last.protocols, ["realtime.v1", "bearer.t"]);
});

test("what is asked before the welcome waits for it, subscriptions first", async () => {
  const client = new RealtimeClient("ws://host/ws");
  client.connectWebSocket();
  const published = client.publish("a", 1);
  const joined = client.subscribe("a", { history: { limit: 3 } });
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.sent.map((one) => one.type), ["subscribe", "message"]);
  assert.deepEqual(FakeSocket.last.sent[0].history, { limit: 3 });
  FakeSocket.last.answer("subscribe", { type: "subscribed", channel: "a", epoch: "e", offset: 0, replay_count: 0 });
  FakeSocket.last.answer("message", { type: "ack", channel: "a", offset: 1, epoch: "e" });
  assert.equal((await joined).type, "subscribed");
  assert.equal((await published).offset, 1);
});

test("a channel is resumed where its last message stood", async () => {
  const client = connected();
  await subscribed(client, "a", 4);
  FakeSocket.last.say({ type: "message", channel: "a", epoch: "e", offset: 5, data: 1 });
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.all.length, 2);
  assert.deepEqual(recoverOf(FakeSocket.last), { epoch: "e", offset: 5 });
});

test("an ack does not move the position: the message may not have come yet", async () => {
  const client = connected();
  await subscribed(client, "a", 4);
  const published = client.publish("a", 1);
  FakeSocket.last.answer("message", { type: "ack", channel: "a", epoch: "e", offset: 5 });
  await published;
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(recoverOf(FakeSocket.last), { epoch: "e", offset: 4 });
});

test("a drop before the replay leaves nothing to resume from", async () => {
  const client = connected();
  const joined = client.subscribe("a");
  FakeSocket.last.answer("subscribe", { type: "subscribed", channel: "a", epoch: "e", offset: 9, replay_count: 2 });
  await joined;
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.equal(recoverOf(FakeSocket.last), undefined);
});

test("what could not be recovered is told as a gap", async () => {
  const client = connected();
  await subscribed(client, "a", 4);
  const gaps = [];
  client.on("gap", (gap) => gaps.push(gap.channel));
  FakeSocket.last.say({ type: "subscribed", channel: "a", epoch: "f", offset: 9, recovered: false, replay_count: 0 });
  assert.deepEqual(gaps, ["a"]);
});

test("what was sent when the connection broke is rejected, what was not goes over the next", async () => {
  const client = connected();
  const sent = client.broadcast(1);
  FakeSocket.last.drop();
  const waiting = client.broadcast(2);
  await assert.rejects(sent, { code: "disconnected" });
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.sent.map((one) => one.data), [2]);
  FakeSocket.last.answer("broadcast", { type: "ack", channel: null, offset: 0, epoch: "e" });
  await waiting;
});

test("a message whose answer got lost is sent again under the same key", async () => {
  const client = connected();
  const published = client.publish("a", 1);
  const [first] = FakeSocket.last.sent;
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.sent, [first]);
  assert.match(first.idempotency_key, /^[0-9a-f]{32}$/);
  FakeSocket.last.answer("message", { type: "ack", channel: "a", offset: 1, epoch: "e" });
  assert.equal((await published).offset, 1);
});

test("a token that is about to expire is replaced in place, one that has is replaced once", async () => {
  const tokens = ["one", "two", "three", "four"];
  const client = new RealtimeClient("ws://host/ws", undefined, { getToken: async () => tokens.shift() });
  client.connectWebSocket();
  await settled();
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: "refresh_required", expires_at: 1 });
  await settled();
  assert.deepEqual(FakeSocket.last.sent.map(({ type, token }) => [type, token]), [["refresh", "two"]]);
  FakeSocket.last.say({ type: "disconnect", code: "token_expired", reason: "r", reconnect: false });
  FakeSocket.last.drop(4401);
  mock.timers.tick(500);
  await settled();
  assert.deepEqual(FakeSocket.last.protocols, ["realtime.v1", "bearer.three"]);
  FakeSocket.last.drop(4401); // that one is no good either
  mock.timers.tick(60_000);
  await settled();
  assert.equal(FakeSocket.all.length, 2);
});

test("notifications count in their channel, patterns resume nothing", async () => {
  const client = connected();
  await subscribed(client, "a", 4);
  await subscribed(client, "a*", 0);
  FakeSocket.last.say({ type: "notification", channel: "a", epoch: "e", offset: 5, title: "t", body: "b" });
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  const recovers = FakeSocket.last.sent.map(({ channel, recover }) => [channel, recover?.offset]);
  assert.deepEqual(recovers, [["a", 5], ["a*", undefined]]);
});

test("what comes before one's own channel is asked for counts when its replay is whole", async () => {
  const client = connected();
  const joined = client.subscribe("user_ann");
  const say = (offset, replayed) =>
    FakeSocket.last.say({ type: "message", channel: "user_ann", epoch: "e", offset, data: 1, replayed });
  say(9);
  FakeSocket.last.answer("subscribe", { type: "subscribed", channel: "user_ann", epoch: "e", offset: 9, replay_count: 2 });
  await joined;
  say(6, true);
  FakeSocket.last.drop(); // in the middle
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(recoverOf(FakeSocket.last), { epoch: "e", offset: 6 });
  FakeSocket.last.answer("subscribe", { type: "subscribed", channel: "user_ann", epoch: "e", offset: 9, replay_count: 1 });
  await settled();
  say(7, true);
  say(10);
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(recoverOf(FakeSocket.last), { epoch: "e", offset: 10 });
});

test("what is sent to the user is resumed, too, once something of it was heard", () => {
  const client = new RealtimeClient("ws://host/ws");
  client.connectWebSocket();
  FakeSocket.last.welcome({ user_id: "ann" });
  FakeSocket.last.say({ type: "message", channel: "user_bob", epoch: "e", offset: 9 });
  FakeSocket.last.say({ type: "notification", channel: "user_ann", epoch: "e", offset: 3, title: "t", body: "b" });
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome({ user_id: "ann" });
  const asked = FakeSocket.last.sent.filter((one) => one.type === "subscribe");
  assert.deepEqual(asked.map((one) => [one.channel, one.recover, one.history]), [
    ["user_ann", { epoch: "e", offset: 3 }, { limit: 0 }],
  ]);
});

test("a gap says why", async () => {
  const client = connected();
  const gaps = [];
  client.on("gap", (gap) => gaps.push(gap));
  const answer = client.subscribe("a");
  FakeSocket.last.answer("subscribe", {
    type: "subscribed", channel: "a", epoch: "e", offset: 4, replay_count: 0, recovered: false, reason: "history_trimmed",
  });
  await answer;
  assert.deepEqual(gaps, [{ type: "gap", channel: "a", reason: "history_trimmed" }]);
});

test("an event stream shows a token of its own, and a new one when that has ended", async () => {
  const tokens = ["first", "second", "third"];
  const client = new RealtimeClient("ws://host/ws", "/events", { getToken: async () => tokens.shift() });
  client.connectSSE("news");
  await settled();
  assert.deepEqual(FakeEventSource.last.query, { channel: "news", token: "first" });
  FakeEventSource.last.say("message", { type: "message", channel: "news" }, "0006");
  FakeEventSource.last.say("disconnect", { type: "disconnect", code: "token_expired", reconnect: false }, "farewell");
  await settled();
  assert.equal(FakeEventSource.all.length, 2);
  assert.deepEqual(FakeEventSource.last.query, { channel: "news", last_event_id: "0006", token: "second" });
  FakeEventSource.last.refuse(); // as a token that ended while this machine slept is
  mock.timers.tick(500);
  await settled();
  assert.equal(FakeEventSource.last.query.token, "third");
  FakeEventSource.last.say("disconnect", { type: "disconnect", code: "kicked", reconnect: false }, "farewell");
  mock.timers.tick(60_000);
  await settled();
  assert.equal(FakeEventSource.all.length, 3);
});

test("a file is sent with a token of its own, also where there is no connection", async (context) => {
  const shown = [];
  context.mock.method(globalThis, "fetch", async (_path, { headers }) => {
    shown.push(headers.Authorization);
    return new Response("{}", { status: 201 });
  });
  const tokens = ["first", "second"];
  const client = new RealtimeClient("ws://host/ws", "/events", { getToken: async () => tokens.shift() });
  await client.sendFile(new Blob(["a"]), "general");
  await client.sendFile(new Blob(["a"]), "general");
  await new RealtimeClient("ws://host/ws", "/events", { token: "fixed" }).sendFile(new Blob(["a"]));
  await new RealtimeClient("ws://host/ws").sendFile(new Blob(["a"]));
  assert.deepEqual(shown, ["Bearer first", "Bearer second", "Bearer fixed", undefined]);
});

test("each request says what it is", async () => {
  const client = connected();
  const answers = [
    client.direct("ann", 1, { persistent: true }),
    client.notify({ user_id: "ann" }, { title: "t", body: "b" }),
    client.notify({ broadcast: true }, { title: "t", body: "b" }),
    client.sendBinary(new Uint8Array([1, 2, 255]), { channel: "a", content_type: "image/png" }),
    client.presence("a"),
    client.history("a", { limit: 3 }),
  ];
  const sent = FakeSocket.last.sent.map(({ id, idempotency_key, ...message }) => message);
  assert.deepEqual(sent, [
    { type: "direct", user_id: "ann", data: 1, persistent: true },
    { type: "notification", user_id: "ann", title: "t", body: "b" },
    { type: "notification", broadcast: true, title: "t", body: "b" },
    { type: "binary", binary_data: "AQL/", channel: "a", content_type: "image/png" },
    { type: "presence", channel: "a" },
    { type: "history", channel: "a", limit: 3 },
  ]);
  client.disconnect(); // nobody is left waiting
  const ends = await Promise.allSettled(answers);
  assert.ok(ends.every(({ reason }) => reason?.code === "disconnected"));
});

test("a refusal rejects with the server's code and is not asked again", async () => {
  const client = connected();
  const joined = client.subscribe("secret");
  FakeSocket.last.answer("subscribe", { type: "error", code: "forbidden", detail: "no", field: "channel" });
  await assert.rejects(joined, { code: "forbidden", message: "no", field: "channel" });
  assert.equal(client.subscriptions.size, 0);
});

test("a channel that is refused for a moment after a drop is asked for again, and goes on where it was", async () => {
  const client = connected();
  await subscribed(client, "a", 3);
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  FakeSocket.last.answer("subscribe", { type: "error", code: "rate_limited", detail: "slowly", retry_after: 2 });
  await settled();
  mock.timers.tick(1999);
  assert.equal(FakeSocket.last.sent.length, 1);
  mock.timers.tick(501);
  assert.equal(FakeSocket.last.sent.length, 2);
  assert.deepEqual(FakeSocket.last.sent.at(-1).recover, { epoch: "e", offset: 3 });
  FakeSocket.last.answer("subscribe", { type: "error", code: "store_busy", detail: "locked" });
  await settled();
  FakeSocket.last.drop(); // before it was asked again: the next connection asks, once
  mock.timers.tick(1000);
  FakeSocket.last.welcome();
  mock.timers.tick(1000);
  assert.equal(FakeSocket.last.sent.filter(({ type }) => type === "subscribe").length, 1);
});

test("a channel that is taken away is told, and not asked for again", async () => {
  const client = connected();
  const told = [];
  client.on("unsubscribed", ({ channel, code }) => told.push([channel, code]));
  await subscribed(client, "a", 1);
  await subscribed(client, "b", 1);
  FakeSocket.last.say({ type: "unsubscribed", channel: "a", code: "forbidden", reason: "not with this token" });
  FakeSocket.last.drop();
  mock.timers.tick(500);
  FakeSocket.last.welcome();
  assert.deepEqual(FakeSocket.last.sent.map(({ channel }) => channel), ["b"]);
  FakeSocket.last.answer("subscribe", { type: "error", code: "forbidden", detail: "no" });
  await settled();
  assert.equal(client.subscriptions.size, 0);
  assert.deepEqual(told, [["a", "forbidden"], ["b", "forbidden"]]);
});

for (const code of [4400, 4401, 4403, 4410]) {
  test(`after ${code} it does not come back`, async () => {
    const client = connected();
    const joined = client.subscribe("a");
    FakeSocket.last.drop(code, "go away");
    mock.timers.tick(60_000);
    assert.equal(FakeSocket.all.length, 1);
    await assert.rejects(joined, { code: "closed" });
    await assert.rejects(client.publish("a", 1), { code: "disconnected" });
  });
}

test("the server may forbid coming back, or ask for a pause", () => {
  connected();
  FakeSocket.last.say({ type: "disconnect", code: 1013, reason: "overload", reconnect: true, retry_after: 30 });
  FakeSocket.last.drop(1013);
  mock.timers.tick(29_000);
  assert.equal(FakeSocket.all.length, 1);
  mock.timers.tick(2_000);
  assert.equal(FakeSocket.all.length, 2);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: "disconnect", code: 1008, reason: "policy", reconnect: false });
  FakeSocket.last.drop(1008);
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.all.length, 2);
});

test("a connection that does not answer a ping is given up", async () => {
  const client = new RealtimeClient("ws://host/ws");
  client.connectWebSocket();
  FakeSocket.last.welcome({ ping_interval: 30 });
  mock.timers.tick(30_000);
  assert.equal(FakeSocket.last.sent.at(-1).type, "ping");
  mock.timers.tick(10_000);
  await settled();
  mock.timers.tick(500);
  assert.equal(FakeSocket.all.length, 2);
});

test("disconnect() is for good until asked again", async () => {
  const client = connected();
  await subscribed(client, "a", 4);
  client.disconnect();
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.all.length, 1);
  client.connectWebSocket();
  FakeSocket.last.welcome();
  assert.deepEqual(recoverOf(FakeSocket.last), { epoch: "e", offset: 4 });
});

test("a token that cannot be had is tried again", async () => {
  let calls = 0;
  const getToken = async () => {
    if (calls++ === 0) throw new Error("offline");
    return "fresh";
  };
  const client = new RealtimeClient("ws://host/ws", undefined, { getToken });
  client.connectWebSocket();
  await settled();
  mock.timers.tick(500);
  await settled();
  assert.deepEqual(FakeSocket.last.protocols, ["realtime.v1", "bearer.fresh"]);
});

test("subclasses hear every message, pictures and notifications", () => {
  const heard = [];
  class Mine extends RealtimeClient {
    handleMessage({ type }) {
      heard.push(type);
    }
    displayImage({ filename }) {
      heard.push(filename);
    }
    showNotification(title, body) {
      heard.push(`${title}: ${body}`);
    }
  }
  new Mine("ws://host/ws").connectWebSocket();
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: "binary", content_type: "image/png", filename: "a.png", binary_data: "" });
  FakeSocket.last.say({ type: "notification", title: "Hi", body: "you" });
  assert.deepEqual(heard, ["welcome", "a.png", "binary", "Hi: you", "notification"]);
});
