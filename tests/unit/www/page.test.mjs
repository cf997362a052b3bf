/** What the pages reckon: tile sizes, initials, what is typed into the test pages. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { base64url, kickedText } from "../../../www/call.js";
import { splitLinks, timeText } from "../../../www/chat.js";
import { parseChannels, parseData } from "../../../www/log.js";
import { initialsOf, tileSize } from "../../../www/tiles.js";

const STAGES = [[1148, 576], [808, 576], [366, 640], [1800, 900], [300, 200]];

test("a password goes into a subprotocol whatever its letters", () => {
  assert.equal(base64url("three bears"), "dGhyZWUgYmVhcnM");
  assert.equal(base64url("Höhle?>"), "SMO2aGxlPz4");
  assert.equal(base64url("ÿÿÿ~~~"), Buffer.from("ÿÿÿ~~~").toString("base64url"));
});

test("who is sent out is told why", () => {
  assert.equal(kickedText({ code: "room_deleted", reason: "room_deleted" }), "The room was closed");
  assert.equal(kickedText({ code: "banned", reason: "spam" }), "You were banned from this room: spam");
  assert.equal(kickedText({ code: "kicked", reason: "kicked" }), "You were removed from the call");
  assert.equal(kickedText({ reason: "" }), "You were removed from the call");
});

test("tiles fit the stage, in as many rows as they need", () => {
  for (const [width, height] of STAGES) {
    for (let count = 1; count <= 20; count++) {
      const tile = tileSize(count, width, height);
      const columns = Math.floor((width + 12) / (tile.width + 12));
      const rows = Math.ceil(count / columns);
      assert.ok(tile.width > 0 && tile.height > 0);
      assert.ok(rows * (tile.height + 12) - 12 <= height, `${count} on ${width}x${height}: ${JSON.stringify(tile)}`);
    }
  }
});

test("tiles keep the shape of a picture", () => {
  for (const [width, height] of STAGES) {
    const tile = tileSize(3, width, height);
    const shape = tile.width / tile.height;
    assert.ok(shape > (width < height ? 0.74 : 1.32) && shape < 1.8, `${shape}`);
  }
});

test("nobody needs no room", () => assert.deepEqual(tileSize(0, 800, 600), { width: 0, height: 0 }));

test("initials", () => {
  assert.equal(initialsOf("Ada Lovelace"), "AL");
  assert.equal(initialsOf("  grace  "), "G");
  assert.equal(initialsOf("🙂 smile"), "🙂S");
  assert.equal(initialsOf(" "), "?");
});

test("typed data is JSON if it can be", () => {
  assert.deepEqual(parseData('{"a":[1]}'), { a: [1] });
  assert.equal(parseData("Hello"), "Hello");
  assert.equal(parseData('"5"'), "5");
  assert.equal(parseData("5"), 5);
});

test("channels are split at commas, once each", () => {
  assert.deepEqual(parseChannels(" a, b,,a "), ["a", "b"]);
});

test("what was said on another day says so", () => {
  const now = new Date(2026, 10, 27, 20, 30).getTime(), minutes = 60_000;
  assert.match(timeText(now - 50 * minutes, now), /^\D*0?7:40|^19:40/);
  assert.match(timeText(now - 21 * 60 * minutes, now), /26.*(11:30|23:30)/);
});

test("addresses in a chat are found without the full stop, and nothing but http is one", () => {
  assert.deepEqual(splitLinks("see https://a.b/c?d=1."), ["see ", "https://a.b/c?d=1", "."]);
  assert.deepEqual(splitLinks("(http://a.b)"), ["(", "http://a.b", ")"]);
  assert.deepEqual(splitLinks("javascript:alert(1) data:text/html,x"), ["javascript:alert(1) data:text/html,x"]);
  assert.deepEqual(splitLinks(""), [""]);
});
