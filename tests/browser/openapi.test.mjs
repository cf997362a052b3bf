/** The OpenAPI document against the meta-schema of OpenAPI 3.1; and how the reference reads one. No browser. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { Validator } from "@seriousme/openapi-schema-validator";

import { exampleOf, fields, groups, resolve, typeName } from "../../www/docs-schema.js";
import { compose, curlLine } from "../../www/docs-try.js";

const TOOL = fileURLToPath(new URL("../../tools/openapi.py", import.meta.url));
const api = JSON.parse(execFileSync("/usr/bin/python3", [TOOL], { encoding: "utf8", maxBuffer: 1 << 24 }));
const operations = groups(api).flatMap((group) => group.operations);
const named = (id) => operations.find((operation) => operation.operationId === id);

test("it is valid OpenAPI 3.1", async () => {
  const validator = new Validator();
  const result = await validator.validate(structuredClone(api));
  assert.ok(result.valid, JSON.stringify(result.errors, null, 1));
  assert.equal(validator.version, "3.1");
  const broken = structuredClone(api);
  delete broken.paths["/realtime/send"].post.responses["201"].description;
  assert.equal((await new Validator().validate(broken)).valid, false, "the validator sees nothing");
});

test("every reference leads somewhere", () => {
  const visit = (value, path) => {
    if (value === null || typeof value !== "object") return;
    if (value.$ref) assert.ok(resolve(api, value), `${path}: ${value.$ref}`);
    for (const [name, inner] of Object.entries(value)) visit(inner, `${path}/${name}`);
  };
  visit(api, "");
});

test("what is shared is used", () => {
  const text = JSON.stringify(api);
  for (const [kind, items] of Object.entries(api.components)) {
    if (kind === "securitySchemes") continue;
    for (const name of Object.keys(items)) assert.ok(text.includes(`"#/components/${kind}/${name}"`), `${kind}/${name} is not`);
  }
});

test("every operation has a tag that is described, and each code of an error has its meaning", () => {
  assert.equal(operations.length, Object.values(api.paths).flatMap(Object.values).length);
  const used = new Set([...JSON.stringify(api.paths).matchAll(/"enum":\[("[a-z0-9_]+"(?:,"[a-z0-9_]+")*)\]/g)].flatMap((match) => JSON.parse(`[${match[1]}]`)));
  for (const code of Object.keys(api["x-problem-codes"])) assert.ok(used.has(code), `${code} is answered by nothing`);
});

test("fields of an allOf, of lists and of objects are listed", () => {
  const rows = fields(api, { $ref: "#/components/schemas/NewRoom" });
  assert.deepEqual(rows.map((row) => row.name).toSorted(), ["codecs", "locked", "max_participants", "metadata", "mode", "name", "password", "room_id"]);
  const page = fields(api, { $ref: "#/components/schemas/RoomPage" });
  assert.deepEqual(page.slice(0, 2).map((row) => [row.name, row.depth, row.isNeeded]), [["items", 0, true], ["room_id", 1, true]]);
  assert.equal(typeName(api, { type: ["integer", "null"] }), "whole number or null");
});

test("a request is composed of what was typed, and quoted for a shell", () => {
  const request = compose(api, named("roomUpdate"), { room_id: "a b", "If-Match": '"1"' }, "{\"name\": \"it's\"}");
  assert.deepEqual(request, { url: "/realtime/webrtc/rooms/a%20b", headers: { "If-Match": '"1"', "Content-Type": "application/json" }, body: "{\"name\": \"it's\"}" });
  assert.equal(curlLine("http://h", "put", request, true),
    `curl -X PUT -H "X-API-Key: $KEY" -H 'If-Match: "1"' -H 'Content-Type: application/json' --data-binary '{"name": "it'\\''s"}' 'http://h/realtime/webrtc/rooms/a%20b'`);
  assert.equal(compose(api, named("rooms"), { limit: "5", cursor: "" }, "").url, "/realtime/webrtc/rooms?limit=5");
  assert.deepEqual(exampleOf(named("roomCreate").requestBody.content["application/json"]).room_id, "team");
});
