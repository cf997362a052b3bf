/** Clients that nobody here wrote, Node's `ws` and `curl -N`: straight to realtimed, and through the web server with the
 * configuration that we ship. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { System, until } from "./system.mjs";

const HEAD_BYTES = 16, MAGIC = 0xb7, KIND_DATA = 1, PERSISTENT = 4;
const numbers = (first, last) => Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** @type {System} */ let system;

before(async () => {
  system = await System.start(["--restart-delay", "0.5"]);
});

after(() => system?.stop());

/** @param {string} title @param {(origin: string, channel: string) => Promise<void>} run */
function eachWay(title, run) {
  for (const [way, offset] of [["straight", 1], ["through the web server", 0]]) {
    test(`${way}: ${title}`, async () => {
      try {
        await run(`127.0.0.1:${system.port + offset}`, `${way}: ${title}`);
      } catch (error) {
        console.error(system.logs());
        throw error;
      }
    });
  }
}

/** A `ws` whose messages wait to be asked for. */
class Client {
  static async open(origin, { protocols = [], ...options } = {}) {
    const client = new Client();
    client.waiting = [];
    client.socket = new WebSocket(`ws://${origin}/realtime/ws`, protocols, options);
    client.socket.on("message", (bytes, isBinary) => client.waiting.push(isBinary ? bytes : JSON.parse(bytes)));
    await once(client.socket, "open");
    client.welcome = await client.hear("welcome");
    return client;
  }

  say(message) {
    this.socket.send(JSON.stringify(message));
  }

  /** The next message of that type, or "bytes"; the others stay. */
  async hear(type) {
    const isIt = (message) => (Buffer.isBuffer(message) ? "bytes" : message.type) === type;
    await until(`a message of type ${type}`, () => this.waiting.some(isIt), 10_000, 5);
    return this.waiting.splice(this.waiting.findIndex(isIt), 1)[0];
  }

  async hearAll(count) {
    const all = [];
    while (all.length < count) all.push(await this.hear("message"));
    return all;
  }

  async subscribe(channel, more = {}) {
    this.say({ type: "subscribe", channel, ...more });
    return this.hear("subscribed");
  }

  async publish(channel, data, more = { persistent: true }) {
    this.say({ type: "message", id: "p", channel, data, ...more });
    const ack = await this.hear("ack");
    assert.equal(ack.id, "p");
    return ack;
  }

  async close() {
    this.socket.close(1000);
    const [code] = await once(this.socket, "close");
    assert.equal(code, 1000);
  }
}

eachWay("ws subscribes, publishes and answers pings", async (origin, channel) => {
  const [ann, bob] = [await Client.open(origin), await Client.open(origin)];
  await bob.subscribe(channel);
  for (const number of numbers(1, 20)) {
    const ack = await ann.publish(channel, { number }, { persistent: number % 2 === 0 });
    assert.equal(ack.offset, number);
  }
  const heard = await bob.hearAll(20);
  assert.deepEqual(heard.map((message) => message.data.number), numbers(1, 20));
  assert.deepEqual(heard.map((message) => message.offset), numbers(1, 20));
  ann.socket.ping("are you there");
  const [answer] = await once(ann.socket, "pong");
  assert.equal(answer.toString(), "are you there");
  ann.socket.send("not JSON");
  assert.equal((await ann.hear("error")).code, "bad_json");
  await Promise.all([ann.close(), bob.close()]);
});

eachWay("ws resumes where it was, across a kill of realtimed", async (origin, channel) => {
  let [ann, bob] = [await Client.open(origin), await Client.open(origin)];
  await bob.subscribe(channel);
  for (const number of numbers(1, 3)) await ann.publish(channel, number);
  const last = (await bob.hearAll(3)).at(-1);
  await bob.close();
  for (const number of numbers(4, 6)) await ann.publish(channel, number);
  const pid = system.pid("realtimed");
  system.kill("realtimed");
  await once(ann.socket, "close");
  await until("realtimed is back", async () =>
    system.pid("realtimed") !== pid && (await system.api("GET", "/realtime/health")).status === 200);
  [ann, bob] = [await Client.open(origin), await Client.open(origin)];
  const answer = await bob.subscribe(channel, { recover: { epoch: last.epoch, offset: last.offset } });
  assert.equal(answer.recovered, true);
  assert.equal(answer.replay_count, 3);
  await ann.publish(channel, 7);
  assert.deepEqual((await bob.hearAll(4)).map((message) => message.data), numbers(4, 7));
  await Promise.all([ann.close(), bob.close()]);
});

eachWay("ws negotiates permessage-deflate, whatever it offers, and less is sent", async (origin, channel) => {
  const offers = [
    { threshold: 0 },
    { threshold: 0, clientNoContextTakeover: true, serverNoContextTakeover: true },
    { threshold: 0, serverMaxWindowBits: 12, clientMaxWindowBits: 12 },
  ];
  const text = "so many of the same words ".repeat(2000);
  const plain = await Client.open(origin, { perMessageDeflate: false });
  assert.equal(plain.socket.extensions, "");
  await plain.subscribe(channel);
  for (const offer of offers) {
    const client = await Client.open(origin, { perMessageDeflate: offer });
    if ("permessage-deflate" in client.socket._extensions) {
      await client.subscribe(channel, { history: { limit: 0 } });
      const before = client.socket._socket.bytesRead;
      for (const part of ["ä", text, text]) await client.publish(channel, part, {});
      assert.deepEqual((await client.hearAll(3)).map((message) => message.data), ["ä", text, text]);
      assert.ok(client.socket._socket.bytesRead - before < text.length / 10);
    } else {
      assert.ok(offer.serverMaxWindowBits, "only a smaller window may be declined");
    }
    await client.close();
  }
  assert.deepEqual((await plain.hearAll(3)).map((message) => message.data), ["ä", text, text]);
  await plain.close();
});

function nativeFrame(meta, payload, number, flags) {
  const text = Buffer.from(JSON.stringify(meta)), head = Buffer.alloc(HEAD_BYTES);
  head.set([MAGIC, 1, KIND_DATA, flags]);
  head.writeUInt32BE(text.length, 4);
  head.writeBigUInt64BE(BigInt(number), 8);
  return Buffer.concat([head, text, payload]);
}

function readNative(frame) {
  const end = HEAD_BYTES + frame.readUInt32BE(4);
  assert.deepEqual([...frame.subarray(0, 3)], [MAGIC, 1, KIND_DATA]);
  return {
    flags: frame[3],
    offset: Number(frame.readBigUInt64BE(8)),
    meta: JSON.parse(frame.subarray(HEAD_BYTES, end)),
    payload: frame.subarray(end),
  };
}

eachWay("ws sends and gets bytes, native and in base64", async (origin, channel) => {
  const native = await Client.open(origin, { protocols: ["realtime.v1+bin"] });
  const plain = await Client.open(origin, { protocols: ["realtime.v1"] });
  assert.equal(native.socket.protocol, "realtime.v1+bin");
  assert.equal(plain.socket.protocol, "realtime.v1");
  await Promise.all([native.subscribe(channel), plain.subscribe(channel)]);
  const bytes = Buffer.concat([Buffer.from("%PDF-1.7\n"), Buffer.from(numbers(0, 99_999).map((i) => i % 251))]);
  native.socket.send(nativeFrame({ channel, content_type: "application/pdf", filename: "a.pdf" }, bytes, 7, PERSISTENT));
  const ack = await native.hear("ack");
  assert.equal(ack.id, 7);
  const back = readNative(await native.hear("bytes"));
  assert.deepEqual(back.payload, bytes);
  assert.equal(back.offset, ack.offset);
  assert.equal(back.flags, PERSISTENT);
  assert.equal(back.meta.filename, "a.pdf");
  const inBase64 = await plain.hear("binary");
  assert.deepEqual(Buffer.from(inBase64.binary_data, "base64"), bytes);
  assert.equal(inBase64.content_type, "application/pdf");
  plain.say({ type: "binary", channel, binary_data: Buffer.from("%PDF-2.0").toString("base64"), content_type: "application/pdf" });
  assert.equal(readNative(await native.hear("bytes")).payload.toString(), "%PDF-2.0");
  await Promise.all([native.close(), plain.close()]);
});

/** `curl -N`: its events so far, each an object of its fields. */
class Curl {
  constructor(origin, channels, headers = []) {
    const query = channels.map((channel) => `channel=${encodeURIComponent(channel)}`).join("&");
    const options = headers.flatMap((header) => ["-H", header]);
    this.output = "";
    this.process = spawn("curl", ["-sSiN", ...options, `http://${origin}/realtime/events?${query}`]);
    this.process.stdout.on("data", (chunk) => (this.output += chunk));
  }

  get head() {
    return this.output.split("\r\n\r\n")[0];
  }

  get events() {
    return this.output.slice(this.head.length + 4).split("\n\n").slice(0, -1)
      .map((block) => Object.fromEntries(block.split("\n").filter((line) => !line.startsWith(":"))
        .map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)])))
      .filter((event) => event.data);
  }

  get data() {
    return this.events.map((event) => JSON.parse(event.data).data);
  }

  /** The stream stands: its first cursor has come. */
  isOpen() {
    return until("the stream is open", () => this.output.includes("\nid: "));
  }

  async untilData(wanted) {
    await until(`curl has ${JSON.stringify(wanted)}`, () => this.data.length >= wanted.length);
    assert.deepEqual(this.data, wanted);
  }

  async stop() {
    this.process.kill();
    await once(this.process, "close");
  }
}

eachWay("curl -N reads two channels, and goes on by its Last-Event-ID", async (origin, channel) => {
  const ann = await Client.open(origin), channels = [`${channel} a`, `${channel} b`];
  const first = new Curl(origin, channels);
  await first.isOpen();
  assert.match(first.head, /^HTTP\/1.1 200 /);
  assert.match(first.head, /^content-type: text\/event-stream/im);
  for (const number of numbers(1, 6)) await ann.publish(channels[number % 2], number);
  await ann.publish(channels[0], "passing", {});
  await first.untilData([...numbers(1, 6), "passing"]);
  assert.ok(first.events.every((event) => event.event === "message"));
  const fourth = first.events[3].id, last = first.events.at(-1).id;
  await first.stop();
  for (const number of numbers(7, 9)) await ann.publish(channels[number % 2], number);
  for (const [id, from] of [[fourth, 5], [last, 7]]) {
    const again = new Curl(origin, channels, [`Last-Event-ID: ${id}`]);
    await again.untilData(numbers(from, 9));
    await again.stop();
  }
  const live = new Curl(origin, channels, [`Last-Event-ID: ${last}`]);
  await live.untilData(numbers(7, 9));
  await ann.publish(channels[0], 10);
  await live.untilData(numbers(7, 10));
  await live.stop();
  await ann.close();
});
