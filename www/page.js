/** page.js - the call page: lobby, tiles, controls, chat. The call itself is call.js. */
import { Call } from "./call.js";
import { RealtimeClient } from "./realtime.js";

const $ = (id) => document.getElementById(id);
const OWN = "own";
const SPEAKING_LEVEL = 0.02;

/** @type {MediaStream | null} */
let stream = null;
/** @type {Call | null} */
let call = null;
/** @type {RealtimeClient | null} */
let chat = null;
/** peer_id -> {element, video, stream, peer} */
const tiles = new Map();

// ---- camera and microphone ----

async function openDevices() {
  const wishes = [{ audio: true, video: { width: { ideal: 1280 }, height: { ideal: 720 } } }, { audio: true }, { video: true }];
  for (const wish of wishes) {
    try {
      return await navigator.mediaDevices.getUserMedia(wish);
    } catch {
      // the next wish asks for less
    }
  }
  return null;
}

async function showPreview() {
  stream = await openDevices();
  $("preview").srcObject = stream;
  const hasVideo = Boolean(stream?.getVideoTracks().length);
  $("preview-note").textContent = hasVideo
    ? ""
    : stream
      ? "No camera found. You can join with your voice."
      : "No camera or microphone, or no permission. You can still join, see, hear and chat.";
  for (const [id, kind] of DEVICE_BUTTONS) $(id).disabled = !stream?.getTracks().some((track) => track.kind === kind);
}

const DEVICE_BUTTONS = [
  ["preview-microphone", "audio"],
  ["preview-camera", "video"],
  ["microphone", "audio"],
  ["camera", "video"],
];

/** @param {string} kind @param {boolean} on */
function switchDevice(kind, on) {
  for (const track of stream?.getTracks() ?? []) if (track.kind === kind) track.enabled = on;
  for (const [id, of] of DEVICE_BUTTONS) if (of === kind) $(id).setAttribute("aria-pressed", String(on));
  call?.setMuted(kind, !on);
  drawOwnTile();
}

for (const [id, kind] of DEVICE_BUTTONS) {
  $(id).addEventListener("click", () => switchDevice(kind, $(id).getAttribute("aria-pressed") !== "true"));
}

// ---- tiles ----

function initialsOf(name) {
  const words = (name || "?").trim().split(/\s+/);
  return (words[0][0] + (words[1]?.[0] ?? "")).toUpperCase();
}

function tileOf(peerId) {
  let tile = tiles.get(peerId);
  if (!tile) {
    const element = $("tile").content.firstElementChild.cloneNode(true);
    element.dataset.peer = peerId;
    tile = { element, video: element.querySelector("video"), peer: null };
    tiles.set(peerId, tile);
    $("stage").append(element);
    arrange();
  }
  return tile;
}

function dropTile(peerId) {
  tiles.get(peerId)?.element.remove();
  tiles.delete(peerId);
  arrange();
}

/** As many columns as make the tiles largest. */
function arrange() {
  const { clientWidth: width, clientHeight: height } = $("stage");
  let best = { columns: 1, size: 0, row: 0 };
  for (let columns = 1; columns <= tiles.size; columns++) {
    const rows = Math.ceil(tiles.size / columns);
    const tileWidth = Math.min((width - 32) / columns, (((height - 32) / rows) * 16) / 9);
    if (tileWidth > best.size) best = { columns, size: tileWidth };
  }
  const size = Math.floor(best.size) - 12;
  $("stage").style.gridTemplateColumns = `repeat(${best.columns}, ${size}px)`;
  $("stage").style.setProperty("--row", `${Math.floor((size * 9) / 16)}px`);
}

function drawTile(tile, { name, isMuted, hasPicture }) {
  tile.element.querySelector(".who").textContent = name;
  tile.element.querySelector(".avatar").dataset.initials = initialsOf(name);
  tile.element.querySelector(".muted-mark").toggleAttribute("hidden", !isMuted);
  tile.element.classList.toggle("without-picture", !hasPicture);
}

function drawPeer(peer) {
  const tile = tileOf(peer.peer_id);
  tile.peer = peer;
  const audio = peer.tracks.find((track) => track.kind === "audio");
  const video = peer.tracks.find((track) => track.kind === "video");
  drawTile(tile, {
    name: peer.name || peer.user_id || "Guest",
    isMuted: !audio || audio.muted,
    hasPicture: Boolean(video && !video.muted),
  });
}

function drawOwnTile() {
  if (!call) return;
  const tile = tileOf(OWN);
  tile.element.classList.add("own");
  tile.video.muted = true;
  if (tile.video.srcObject !== stream) tile.video.srcObject = stream;
  const isOn = (kind) => Boolean(stream?.getTracks().some((track) => track.kind === kind && track.enabled));
  drawTile(tile, { name: `${call.name} (you)`, isMuted: !isOn("audio"), hasPicture: isOn("video") });
}

function showStream(peerId, remote) {
  const tile = tileOf(peerId);
  if (tile.video.srcObject !== remote) tile.video.srcObject = remote;
}

function markSpeakers() {
  const levels = call?.levels() ?? new Map();
  for (const tile of tiles.values()) {
    const tracks = tile.video.srcObject?.getAudioTracks() ?? [];
    const isLoud = tracks.some((track) => (levels.get(track) ?? 0) > SPEAKING_LEVEL);
    tile.element.classList.toggle("speaking", isLoud);
  }
}

// ---- chat ----

function addMessage(text, from, isOwn) {
  const item = document.createElement("li");
  item.classList.toggle("own", isOwn);
  item.classList.toggle("notice", from === null);
  if (from !== null && !isOwn) {
    const name = document.createElement("b");
    name.textContent = from;
    item.append(name);
  }
  item.append(text);
  $("messages").append(item);
  item.scrollIntoView({ block: "end" });
}

function openChat(room, name) {
  const channel = `room:${room}`;
  const own = crypto.randomUUID();
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const client = new RealtimeClient(`${scheme}//${location.host}/realtime/ws`);
  client.on("message", ({ channel: to, data }) => {
    if (to === channel && data?.text) addMessage(String(data.text), String(data.name ?? ""), data.from === own);
  });
  client.connectWebSocket();
  client.subscribe(channel).catch((error) => addMessage(error.message, null, false));
  client.say = (text) => client.publish(channel, { text, name, from: own }, { persistent: true });
  return client;
}

$("chat-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("chat-text").value.trim();
  if (!text) return;
  $("chat-text").value = "";
  try {
    await chat.say(text);
  } catch (error) {
    $("chat-text").value = text;
    addMessage(`Not sent: ${error.message}`, null, false);
  }
});

$("toggle-chat").addEventListener("click", () => {
  const isHidden = $("call").classList.toggle("without-chat");
  $("toggle-chat").setAttribute("aria-pressed", String(!isHidden));
  arrange();
});

// ---- the call ----

const STATE_TEXTS = {
  connecting: "Connecting…",
  new: "Connecting…",
  connected: "Connected",
  disconnected: "Connection is shaky…",
  reconnecting: "Reconnecting…",
  failed: "Connection failed",
};

function showState(state) {
  $("state").textContent = STATE_TEXTS[state] ?? state;
  $("state").dataset.state = state;
}

/** Rooms are made by whoever comes first; that one exists already is fine. */
async function ensureRoom(room) {
  const response = await fetch("/realtime/webrtc/rooms", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room_id: room, name: room }),
  });
  if (response.ok || response.status === 409) return;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The room could not be opened (${response.status})`);
}

function showView(view) {
  document.body.dataset.view = view;
  $("lobby").hidden = view !== "lobby";
  $("call").hidden = view !== "call";
}

function wire(newCall) {
  newCall
    .on("peer", drawPeer)
    .on("left", ({ peerId }) => {
      const name = tiles.get(peerId)?.peer?.name;
      dropTile(peerId);
      if (name) addMessage(`${name} left`, null, false);
    })
    .on("stream", ({ peerId, stream: remote }) => showStream(peerId, remote))
    .on("state", showState)
    .on("problem", (error) => console.warn(error))
    .on("ended", ({ reason }) => backToLobby(reason));
}

async function join(name, room) {
  await ensureRoom(room);
  const newCall = new Call({ room, name, stream });
  wire(newCall);
  call = newCall;
  showView("call");
  $("room-name").textContent = room;
  $("messages").replaceChildren();
  drawOwnTile();
  arrange();
  chat = openChat(room, name);
  await newCall.join();
  history.replaceState(null, "", `?${new URLSearchParams({ room })}`);
}

function backToLobby(reason) {
  chat?.disconnect();
  call = chat = null;
  for (const peerId of [...tiles.keys()]) dropTile(peerId);
  $("lobby-error").textContent = reason ?? "";
  $("lobby-error").hidden = !reason;
  showView("lobby");
}

$("join-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  $("join").disabled = true;
  $("lobby-error").hidden = true;
  const name = $("name").value.trim();
  localStorage.setItem("realtime.name", name);
  try {
    await join(name, $("room").value.trim());
  } catch (error) {
    if (call) call.end(error.message);
    else backToLobby(error.message);
  } finally {
    $("join").disabled = false;
  }
});

$("leave").addEventListener("click", () => call?.leave());
$("copy-link").addEventListener("click", async () => {
  await navigator.clipboard?.writeText(location.href);
  $("copy-link").textContent = "Copied";
  setTimeout(() => ($("copy-link").textContent = "Copy link"), 1500);
});
window.addEventListener("resize", arrange);
window.addEventListener("pagehide", () => call?.leave());
setInterval(markSpeakers, 250);

$("name").value = localStorage.getItem("realtime.name") ?? "";
$("room").value = new URLSearchParams(location.search).get("room") ?? "lobby";
showPreview();

/** For tests and the curious: the state of the page's call. */
window.realtime = {
  get call() {
    return call;
  },
  get tiles() {
    return tiles;
  },
};
