/** page.js - the call page: lobby, devices, controls. The call itself is call.js; see README.md. */
import { Call } from "./call.js";
import { Chat } from "./chat.js";
import { Tiles } from "./tiles.js";

const $ = (id) => document.getElementById(id);
const OWN = "own";
const NAME_KEY = "realtime.name";
const isPhone = matchMedia("(max-width: 760px)");

/** @type {MediaStream | null} */
let stream = null;
/** @type {Call | null} */
let call = null;
/** @type {Chat | null} */
let chat = null;
let unreadCount = 0;
const tiles = new Tiles($("stage"), $("tile"));

// ---- camera and microphone ----

const DEVICE_BUTTONS = [
  ["preview-microphone", "audio"],
  ["preview-camera", "video"],
  ["microphone", "audio"],
  ["camera", "video"],
];
const NOTES = {
  off: "Your camera is off",
  stopped: "Your camera has stopped",
  insecure: "Browsers give camera and microphone to https pages only. You can still join: see, hear and chat.",
};

/** Why there is no camera, and why there is nothing at all, by what getUserMedia() says. */
const CAMERA_NOTES = {
  NotFoundError: "No camera found. You can join with your voice.",
  NotAllowedError: "The browser may not use your camera. Allow it in the address bar, or join with your voice.",
  NotReadableError: "Your camera cannot be used: another program may have it. You can join with your voice.",
};
const DEVICE_NOTES = {
  NotFoundError: "No camera or microphone found. You can still join: see, hear and chat.",
  NotAllowedError: "The browser may not use your camera and microphone. Allow it in the address bar, or join to see, hear and chat.",
  NotReadableError: "Your camera and microphone cannot be used: another program may have them. You can still join: see, hear and chat.",
};

/** The note on the gravest of these failures. */
function noteOn(notes, failures) {
  const name = ["NotAllowedError", "NotReadableError"].find((grave) => failures.includes(grave));
  return notes[name ?? "NotFoundError"];
}

/** As much as there is: both, sound alone, picture alone, or nothing. */
async function openDevices() {
  if (!navigator.mediaDevices) return { note: NOTES.insecure };
  const wishes = [{ audio: true, video: { width: { ideal: 1280 }, height: { ideal: 720 } } }, { audio: true }, { video: true }];
  const failures = [];
  for (const wish of wishes) {
    try {
      return { opened: await navigator.mediaDevices.getUserMedia(wish), note: noteOn(CAMERA_NOTES, failures) };
    } catch (error) {
      failures.push(error.name);
    }
  }
  return { note: noteOn(DEVICE_NOTES, failures) };
}

const hasTrack = (kind) => Boolean(stream?.getTracks().some((track) => track.kind === kind));
const isOn = (kind) => Boolean(stream?.getTracks().some((track) => track.kind === kind && track.enabled));

async function showPreview() {
  const { opened, note } = await openDevices();
  stream = opened ?? null;
  for (const track of stream?.getTracks() ?? []) track.addEventListener("ended", () => loseDevice(track));
  $("preview").srcObject = stream;
  if (!hasTrack("video")) $("preview-note").textContent = note;
  drawDevices();
}

/** Of which kind our device has stopped: unplugged, or taken back in the address bar. */
const stopped = new Set();

function stoppedText() {
  if (stopped.size === 2) return "Your microphone and your camera have stopped: nobody hears or sees you. Check them, then reload the page.";
  if (stopped.has("audio")) return "Your microphone has stopped: nobody hears you. Check it, then reload the page.";
  return stopped.has("video") ? "Your camera has stopped: nobody sees you. Check it, then reload the page." : "";
}

/** The others are told as of a muted one; what it sent last would stand there for ever. */
function loseDevice(track) {
  stopped.add(track.kind);
  call?.setMuted(track.kind, true);
  stream.removeTrack(track);
  if (track.kind === "video") $("preview-note").textContent = NOTES.stopped;
  if (document.body.dataset.view === "lobby") showLobbyError(stoppedText());
  showNotice();
  drawDevices();
}

/** What a moderator has muted of us, whatever our own buttons say. */
const moderated = { audio: false, video: false };
/** The server has no room for what we would send. */
let isUnseen = false;
/** Why media does not get through: {code, detail}; null: it does. */
let trouble = null;

function drawDevices() {
  for (const [id, kind] of DEVICE_BUTTONS) {
    const isForbidden = call !== null && moderated[kind];
    $(id).disabled = !hasTrack(kind) || isForbidden;
    $(id).setAttribute("aria-pressed", String(isOn(kind) && !isForbidden));
    $(id).title = (kind === "audio" ? "Microphone" : "Camera") + (isForbidden ? ": muted by a moderator" : "");
  }
  if (hasTrack("video")) $("preview-note").textContent = isOn("video") ? "" : NOTES.off;
  $("preview").classList.toggle("off", !isOn("video"));
  if (call) drawOwnTile();
}

/** @param {"audio" | "video"} kind */
function toggleDevice(kind) {
  if (!hasTrack(kind)) return;
  const on = !isOn(kind);
  for (const track of stream.getTracks()) if (track.kind === kind) track.enabled = on;
  call?.setMuted(kind, !on);
  drawDevices();
}

function moderatedText({ audio, video }) {
  if (audio && video) return "A moderator has muted your microphone and your camera. Nobody hears or sees you.";
  if (audio) return "A moderator has muted your microphone. Nobody hears you.";
  return video ? "A moderator has muted your camera. Nobody sees you." : "";
}

const TROUBLE_TEXTS = {
  never_connected:
    "Sound and pictures do not get through to the server: something on the way, such as a firewall or a VPN, keeps them back. Trying again. Another network may help.",
  timeout: "Your connection was lost. Trying to get it back…",
  dtls_failed: "No encrypted connection to the server could be made. Trying again. Another browser or network may help.",
};
TROUBLE_TEXTS.dtls_timeout = TROUBLE_TEXTS.never_connected;
TROUBLE_TEXTS.dtls_fingerprint = TROUBLE_TEXTS.dtls_failed;

function troubleText({ code, detail }) {
  return TROUBLE_TEXTS[code] ?? `The connection for sound and pictures was lost (${detail}). Trying again…`;
}

function noticeText() {
  if (trouble) return troubleText(trouble);
  if (isUnseen) return "The server is busy. You see the others; they will see you as soon as there is room.";
  return moderatedText(moderated) || stoppedText();
}

/** Why we do not see and hear the others, or they do not get what we send. */
function showNotice() {
  const text = noticeText();
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

function showModerated({ audio_muted: audio = false, video_muted: video = false }) {
  Object.assign(moderated, { audio, video });
  showNotice();
  drawDevices();
}

function showUnseen(isSo) {
  isUnseen = isSo;
  showNotice();
}

function showTrouble(failure) {
  trouble = failure;
  showNotice();
}

function drawOwnTile() {
  const { element, video } = tiles.of(OWN);
  element.classList.add("own");
  video.muted = true;
  tiles.showStream(OWN, stream);
  const isMuted = !isOn("audio") || moderated.audio;
  tiles.draw(OWN, { name: call.name, suffix: " (you)", isMuted, hasPicture: isOn("video") && !moderated.video });
}

// ---- chat ----

function showChat(isShown) {
  $("call").classList.toggle("with-chat", isShown);
  $("toggle-chat").setAttribute("aria-pressed", String(isShown));
  if (isShown) countUnread(0);
}

const isChatShown = () => $("call").classList.contains("with-chat");

function toggleChat() {
  showChat(!isChatShown());
  if (isChatShown()) $("chat-text").focus();
}

function countUnread(count) {
  unreadCount = count;
  $("unread").textContent = count > 9 ? "9+" : String(count);
  $("unread").hidden = count === 0;
  $("toggle-chat").setAttribute("aria-label", count ? `Chat, ${count} unread` : "Chat");
}

async function say(event) {
  event.preventDefault();
  const text = $("chat-text").value.trim();
  if (!text || !chat) return;
  $("chat-text").value = "";
  try {
    await chat.say(text);
  } catch (error) {
    $("chat-text").value ||= text;
    chat?.notice(`Not sent: ${error.message}`);
  }
}

// ---- the call ----

const STATE_TEXTS = {
  connecting: "Connecting…",
  new: "Connecting…",
  connected: "Connected",
  disconnected: "Connection is shaky…",
  reconnecting: "Reconnecting…",
  failed: "Connection failed",
};

const PROBLEM_TEXTS = {
  room_full: "This room is full. Wait until somebody leaves, or choose another one.",
  too_many_rooms: "No more rooms can be opened at the moment.",
  forbidden: "You may not join this room.",
  password_required: "This room has a password.",
  wrong_password: "That is not the password. Try again.",
  too_many_guesses: "Too many wrong passwords. Wait ten seconds, then try again.",
  room_locked: "This room is locked: nobody else can come in at the moment.",
  bad_invite: "This invite is not valid any more. Ask for a new one.",
  invite_used_up: "This invite has been used as often as it may be. Ask for a new one.",
};
const PASSWORD_PROBLEMS = new Set(["password_required", "wrong_password", "too_many_guesses"]);

function showState(state) {
  $("state").textContent = STATE_TEXTS[state] ?? state;
  $("state").dataset.state = state;
  if (state === "reconnecting" && document.body.dataset.view === "lobby") {
    showLobbyError("The server does not answer. Trying again…");
  }
}

function showCount() {
  const count = tiles.byPeer.size;
  $("count").textContent = count === 1 ? "1 person" : `${count} people`;
  $("alone").hidden = count !== 1;
}

function showView(view) {
  document.body.dataset.view = view;
  $("lobby").hidden = view !== "lobby";
  $("call").hidden = view !== "call";
}

async function createRoom(room) {
  const response = await fetch("/realtime/webrtc/rooms", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ room_id: room, name: room }),
  });
  if (response.ok || response.status === 409) return; // somebody else was quicker
  const { code, detail } = await response.json().catch(() => ({}));
  throw Object.assign(new Error(detail ?? `The room could not be opened (${response.status})`), { code });
}

function wire(newCall) {
  newCall
    .on("peer", (peer) => {
      tiles.drawPeer(peer);
      showCount();
    })
    .on("left", ({ peerId }) => {
      const name = tiles.byPeer.get(peerId)?.peer?.name;
      tiles.drop(peerId);
      showCount();
      if (name) chat?.notice(`${name} left`);
    })
    .on("self", showModerated)
    .on("unseen", showUnseen)
    .on("trouble", showTrouble)
    .on("stream", ({ peerId, stream: remote }) => tiles.showStream(peerId, remote))
    .on("state", showState)
    .on("problem", (error) => console.warn(error))
    .on("ended", ({ reason, code }) => backToLobby(PROBLEM_TEXTS[code] ?? reason));
}

/** Whoever comes first makes the room, where joining alone does not. */
async function enter(newCall) {
  try {
    await newCall.join();
  } catch (error) {
    if (error.code !== "room_not_found") throw error;
    await createRoom(newCall.room);
    await newCall.join();
  }
}

// ---- what opens a room ----

/** An invite is for this tab, also after a reload; in the address bar it would be passed on unawares. */
const inviteKey = (room) => `realtime.invite.${room}`;
const seatKey = (room) => `realtime.seat.${room}`;

function takeInvite() {
  const room = new URLSearchParams(location.search).get("room");
  const invite = new URLSearchParams(location.hash.slice(1)).get("invite");
  if (!room || !invite) return;
  sessionStorage.setItem(inviteKey(room), invite);
  history.replaceState(null, "", location.pathname + location.search);
}

const inviteTo = (room) => sessionStorage.getItem(inviteKey(room)) ?? "";

function showInvite() {
  const isInvited = inviteTo($("room").value.trim()) !== "";
  $("welcome-text").textContent = isInvited
    ? "You are invited to this room. Choose a name, and join."
    : "Choose a name and a room. Whoever opens the same room is in the call with you.";
}

function showPassword(isShown) {
  $("password-row").hidden = !isShown;
  $("password").required = isShown;
  if (!isShown) $("password").value = "";
}

function problemText(error) {
  return PROBLEM_TEXTS[error.code] ?? error.message.charAt(0).toUpperCase() + error.message.slice(1);
}

async function join(name, room) {
  const invite = inviteTo(room);
  const resumeToken = invite ? (sessionStorage.getItem(seatKey(room)) ?? "") : "";
  call = new Call({ room, name, stream, password: $("password").value, invite, resumeToken });
  if (invite) call.on("joined", () => sessionStorage.setItem(seatKey(room), call.resumeToken));
  wire(call);
  drawOwnTile();
  await enter(call);
  showPassword(false);
  chat = new Chat($("messages"), {
    room,
    name,
    onMessage: (isReplayed) => isReplayed || isChatShown() || countUnread(unreadCount + 1),
  });
  $("room-name").textContent = room;
  countUnread(0);
  showChat(!isPhone.matches);
  showCount();
  showView("call");
  $("call").focus();
  history.replaceState(null, "", `?${new URLSearchParams({ room })}`);
}

function backToLobby(reason) {
  chat?.close();
  call = chat = null;
  showUnseen(false);
  showTrouble(null);
  showModerated({});
  tiles.clear();
  showLobbyError(reason);
  showView("lobby");
  $("join").focus();
}

function showLobbyError(text) {
  $("lobby-error").textContent = text ?? "";
  $("lobby-error").hidden = !text;
}

async function joinFromLobby(event) {
  event.preventDefault();
  const name = $("name").value.trim();
  localStorage.setItem(NAME_KEY, name);
  $("join").disabled = true;
  $("join").textContent = "Joining…";
  showLobbyError(null);
  try {
    await join(name, $("room").value.trim());
  } catch (error) {
    call?.end(null);
    $("join").disabled = false; // so that it can have the focus
    backToLobby(problemText(error));
    if (error.code === "bad_invite" || error.code === "invite_used_up") {
      sessionStorage.removeItem(inviteKey($("room").value.trim()));
      showInvite();
    }
    if (PASSWORD_PROBLEMS.has(error.code)) {
      showPassword(true);
      $("password").select();
      $("password").focus();
    }
  } finally {
    $("join").disabled = false;
    $("join").textContent = "Join the call";
  }
}

/** Outside a secure page there is no clipboard: then the address is selected for the person to copy. */
async function copyLink(button) {
  const usual = button.textContent;
  try {
    await navigator.clipboard.writeText(location.href);
    button.textContent = "Copied";
  } catch {
    prompt("The address of this room", location.href);
  }
  setTimeout(() => (button.textContent = usual), 1500);
}

function onKey(event) {
  if (event.key === "Escape" && isPhone.matches) showChat(false);
}

// ---- start ----

for (const [id, kind] of DEVICE_BUTTONS) $(id).addEventListener("click", () => toggleDevice(kind));
for (const id of ["copy-link", "copy-link-alone"]) $(id).addEventListener("click", () => copyLink($(id)));
$("toggle-chat").addEventListener("click", toggleChat);
$("close-chat").addEventListener("click", () => {
  showChat(false);
  $("toggle-chat").focus();
});
$("chat-form").addEventListener("submit", say);
$("join-form").addEventListener("submit", joinFromLobby);
$("leave").addEventListener("click", () => call?.leave());
window.addEventListener("keydown", onKey);
window.addEventListener("pagehide", () => call?.leave());
setInterval(() => call && tiles.markSpeakers(call.levels()), 100);
setInterval(() => call && tiles.eachPicture((trackId, view) => call.describeView(trackId, view)), 500);

$("name").value = localStorage.getItem(NAME_KEY) ?? "";
takeInvite();
window.addEventListener("hashchange", () => {
  takeInvite(); // a link that was opened in this tab: the page is not loaded anew for it
  showInvite();
});
$("room").value = new URLSearchParams(location.search).get("room") ?? "lobby";
showInvite();
$("room").addEventListener("input", () => {
  showPassword(false);
  showInvite();
});
($("name").value ? $("join") : $("name")).focus();
showPreview();

/** For tests and the curious: the state of the page's call. */
window.realtime = {
  get call() {
    return call;
  },
  get tiles() {
    return tiles.byPeer;
  },
};
