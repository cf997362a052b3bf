/** What a moderator does, seen in the call page: passwords, invites, kicks, and mutes that stop media. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { joinCall, received } from "./browsers.mjs";
import { chromium, system, withLogs } from "./stage.mjs";
import { sleep, until } from "./system.mjs";

const ROOMS = "/realtime/webrtc/rooms";

async function shoot(page, name) {
  if (process.env.RT_SCREENSHOTS) await page.screenshot({ path: `${process.env.RT_SCREENSHOTS}/${name}.png` });
}

async function openLobby(address) {
  const page = await chromium.newPage();
  await page.setViewport({ width: 1180, height: 720 });
  await page.goto(address);
  await page.waitForFunction(() => document.getElementById("preview").srcObject !== null, { timeout: 20_000 });
  return page;
}

async function name(page, text) {
  await page.evaluate(() => (document.getElementById("name").value = ""));
  await page.type("#name", text);
}

const isConnected = (page) =>
  page.waitForFunction(() => window.realtime.call?.connection?.connectionState === "connected", { timeout: 20_000 });

const lobbyError = (page) => page.evaluate(() => document.getElementById("lobby-error").textContent);

test("the page asks for a room's password, and says when it is wrong", withLogs(async () => {
  await system.api("POST", ROOMS, { room_id: "secret", password: "Höhle 3" });
  const page = await openLobby(`${system.url}/?room=secret`);
  await name(page, "Ada");
  assert.ok(await page.evaluate(() => document.getElementById("password-row").hidden), "nobody is asked without need");
  await page.click("#join");
  await until("the password is asked for", () => page.evaluate(() =>
    !document.getElementById("password-row").hidden && document.activeElement.id === "password"));
  assert.equal(await lobbyError(page), "This room has a password.");
  await shoot(page, "password");
  await page.type("#password", "wrong");
  await page.keyboard.press("Enter");
  await until("it is told to be wrong", async () => (await lobbyError(page)).startsWith("That is not the password"));
  await shoot(page, "password-wrong");
  await page.type("#password", "Höhle 3"); // over what is selected
  await page.keyboard.press("Enter");
  await isConnected(page);
  assert.ok(!page.url().includes("3"), page.url());
  await page.close();
}));

test("an invite link opens a locked room, for one guest who may come back", withLogs(async () => {
  await system.api("POST", ROOMS, { room_id: "party", password: "x", locked: true });
  const { json: invite } = await system.api("POST", `${ROOMS}/party/invites`, { max_uses: 1, ttl: 600 });
  assert.ok(invite.url.startsWith(`${system.url}/?room=party#invite=inv_`), invite.url);
  const page = await openLobby(invite.url);
  assert.ok(!page.url().includes(invite.token), "nobody passes it on with the address");
  await shoot(page, "invited");
  assert.match(await page.$eval("#welcome-text", (element) => element.textContent), /invited/);
  await name(page, "Grace");
  await page.click("#join");
  await isConnected(page);

  await page.reload();
  await page.waitForFunction(() => document.getElementById("preview").srcObject !== null, { timeout: 20_000 });
  await page.click("#join");
  await isConnected(page);

  // The same link in another browser profile.
  const context = await chromium.createBrowserContext();
  const other = await context.newPage();
  await other.goto(invite.url);
  await other.waitForFunction(() => document.getElementById("preview").srcObject !== null, { timeout: 20_000 });
  await name(other, "Eve");
  await other.click("#join");
  await until("it is used up", async () => (await lobbyError(other)).startsWith("This invite has been used"));
  await shoot(other, "invite-used-up");
  await other.click("#join");
  await until("without it the room is locked", async () => (await lobbyError(other)).startsWith("This room is locked"));
  await context.close();
  await page.close();
}));

async function participant(room, who) {
  const { json } = await system.api("GET", `${ROOMS}/${room}/participants`);
  return `${ROOMS}/${room}/participants/${json.items.find((one) => one.name === who).peer_id}`;
}

/** How many frames and how much sound of Ann come in half a second. */
async function flow(page) {
  const before = (await received(page)).peers.Ann;
  await sleep(500);
  const after = (await received(page)).peers.Ann;
  return { frames: after.frames - before.frames, packets: after.audioPackets - before.audioPackets, lost: after.lost };
}

test("a mute stops the media at the relay, and it goes on afterwards", withLogs(async () => {
  const ann = await joinCall(chromium, system, "Ann", "quiet");
  const bob = await joinCall(chromium, system, "Bob", "quiet");
  await until("Bob sees and hears Ann", async () => {
    const { frames, packets } = await flow(bob);
    return frames > 2 && packets > 5;
  });
  const peer = await participant("quiet", "Ann");
  const muted = await system.api("PATCH", peer, { audio_muted: true, video_muted: true });
  assert.equal(muted.status, 200, muted.text);
  await sleep(300); // what is on its way
  const silent = await flow(bob);
  assert.deepEqual([silent.frames, silent.packets], [0, 0]);
  await until("Ann is told", () => ann.evaluate(() => !document.getElementById("notice").hidden));
  assert.match(await ann.$eval("#notice", (element) => element.textContent), /microphone and your camera/);
  assert.ok(await ann.evaluate(() => document.getElementById("microphone").disabled));
  await until("Bob is shown it", () => bob.evaluate(() => {
    const tile = [...window.realtime.tiles.values()].find((one) => one.peer?.name === "Ann");
    return tile.element.classList.contains("without-picture") && !tile.element.querySelector(".muted-mark").hasAttribute("hidden");
  }));
  await shoot(ann, "muted");
  await shoot(bob, "muted-other");
  // She cannot take it back.
  await ann.evaluate(() => {
    window.realtime.call.setMuted("audio", false);
    window.realtime.call.setMuted("video", false);
  });
  const still = await flow(bob);
  assert.deepEqual([still.frames, still.packets], [0, 0]);
  const listed = (await system.api("GET", peer)).json;
  assert.ok(listed.audio_muted && listed.video_muted && listed.tracks.every((track) => track.muted));

  const began = performance.now();
  await system.api("PATCH", peer, { audio_muted: false });
  await until("Bob hears Ann", async () => (await flow(bob)).packets > 5);
  assert.equal((await flow(bob)).frames, 0, "one does not bring back the other");
  await system.api("PATCH", peer, { video_muted: false });
  const back = await until("Bob sees Ann", async () => {
    const now = await flow(bob);
    return now.frames > 2 && now;
  });
  console.log(`both are back ${Math.round(performance.now() - began)} ms after the first word`);
  assert.equal(back.lost, 0, "to a receiver nothing was lost");
  await until("Ann is told that too", () => ann.evaluate(() => document.getElementById("notice").hidden));
  await Promise.all([ann.close(), bob.close()]);
}));

/** A browser that has much to do takes its time over an offer, and whatever comes behind it waits. */
function slowToTakeOffers() {
  const original = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = async function (...description) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    return original.apply(this, description);
  };
}

test("who is kicked is told why, and does not come back by itself", withLogs(async () => {
  const ann = await joinCall(chromium, system, "Ann", "door", [[slowToTakeOffers]]);
  const bob = await joinCall(chromium, system, "Bob", "door");
  await until("Bob sees Ann", () => bob.evaluate(() => window.realtime.tiles.size === 2));
  const kicked = await system.api("DELETE", `${await participant("door", "Ann")}?reason=Please%20be%20kind`);
  assert.equal(kicked.status, 204);
  await until("Ann reads it", async () => (await lobbyError(ann)) === "You were removed from the call: Please be kind");
  await until("Bob is alone", () => bob.evaluate(() => window.realtime.tiles.size === 1));
  await shoot(ann, "kicked");
  await sleep(1500);
  assert.equal((await system.api("GET", `${ROOMS}/door/participants`)).json.total, 1);
  await Promise.all([ann.close(), bob.close()]);
}));

test("who is out of a call for another reason reads it in words", withLogs(async () => {
  await system.api("POST", ROOMS, { room_id: "seats", locked: true });
  const { json: invite } = await system.api("POST", `${ROOMS}/seats/invites`, { max_uses: 1, ttl: 600 });
  const first = await openLobby(invite.url);
  await name(first, "Ann");
  await first.click("#join");
  await isConnected(first);

  // The same guest in another tab.
  const seat = await first.evaluate(() => ({ ...sessionStorage }));
  const second = await openLobby(`${system.url}/?room=seats`);
  await second.evaluate((items) => Object.assign(sessionStorage, items), seat);
  await second.click("#join");
  await isConnected(second);
  await until("the first tab tells", async () => (await lobbyError(first)).startsWith("You have joined this room once more"));

  // An admin closes the connection, in no room's name.
  const { json } = await system.admin("GET", "/realtime/connections");
  const { connection_id: id } = json.connections.find(({ transport }) => transport === "signaling");
  await system.admin("DELETE", `/realtime/connections/${id}`);
  await until("the second tab tells", async () => (await lobbyError(second)) === "You were removed from the call");

  // The room was locked while a network was away for too long.
  const third = await joinCall(chromium, system, "Bob", "hall");
  await system.api("PUT", `${ROOMS}/hall`, { locked: true });
  await third.evaluate(() => {
    const { call } = window.realtime;
    call.peerId = null;
    call.resumeToken = "";
    call.socket.close();
  });
  await until("Bob reads why he cannot come back", async () => (await lobbyError(third)).startsWith("This room is locked: "));
  await Promise.all([first.close(), second.close(), third.close()]);
}));
