/** test.js - the WebSocket test page: a RealtimeClient whose frames are all shown. */
import { Log, parseData } from "./log.js";
import { RealtimeClient, socketUrl } from "./realtime.js";

const $ = (id) => document.getElementById(id);
const log = new Log($("log"), $("clear"));

/** @type {RealtimeClient | null} */
let client = null;

/** A client that shows what it sends and gets. */
class ShowingClient extends RealtimeClient {
  sendRequest(request) {
    const wasSent = request.isSent;
    super.sendRequest(request);
    if (request.isSent && !wasSent) log.add("out", request.message.type, request.message);
  }

  handleMessage(message) {
    log.add(message.type === "error" ? "bad" : "in", message.type, message);
  }

  handleBinaryData() {} // the log has it
}

function showState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
  $("connect").disabled = state !== "off";
  $("disconnect").disabled = state === "off";
}

function connect(event) {
  event.preventDefault();
  let address;
  try {
    address = new URL($("address").value);
  } catch {
    log.add("bad", "not an address", $("address").value);
    return;
  }
  const key = $("api-key").value.trim();
  if (key) address.searchParams.set("token", key); // the server tells keys from tokens
  const made = new ShowingClient(address.href);
  let wasOpen = false;
  client = made
    .on("open", () => {
      wasOpen = true;
      log.add("note", "connected", $("address").value);
    })
    .on("welcome", ({ connection_id }) => showState("connected", `Connected as ${connection_id}`))
    .on("unsubscribed", drawChannels)
    .on("close", ({ code, reason, willReconnect }) => {
      // A browser keeps to itself what the server said to a handshake.
      if (wasOpen) log.add("note", `closed ${code}`, reason);
      else log.add("bad", "not connected", `Nobody answers there, or ${key ? "the key or token is refused" : "a key or token is needed"}.`);
      wasOpen = false;
      showState(willReconnect ? "reconnecting" : "off", willReconnect ? "Reconnecting…" : "Not connected");
      if (!willReconnect) drawChannels();
    });
  showState("connecting", "Connecting…");
  client.connectWebSocket();
}

function disconnect() {
  const wasOpen = client?.connectionId;
  client?.disconnect();
  if (!wasOpen) showState("off", "Not connected"); // there is nothing left to close
}

/** Every button says what is missing rather than nothing. */
function connected() {
  if (client?.isWanted) return client;
  log.add("bad", "not connected", "Press Connect first.");
  $("connect").focus();
  return null;
}

function drawChannels() {
  const names = client?.isWanted ? [...client.subscriptions.keys()] : [];
  $("channels").replaceChildren(
    ...names.map((name) => {
      const item = document.createElement("li");
      const leave = document.createElement("button");
      leave.type = "button";
      leave.textContent = "×";
      leave.title = `Unsubscribe from ${name}`;
      leave.setAttribute("aria-label", leave.title);
      leave.addEventListener("click", () => settle(client.unsubscribe(name)));
      item.append(name, leave);
      return item;
    }),
  );
}

/** Refusals are in the log as frames; what never left this page is told here. */
async function settle(answer) {
  try {
    await answer;
  } catch (error) {
    if (["disconnected", "timeout", "closed"].includes(error.code)) log.add("bad", error.code, error.message);
  }
  drawChannels();
}

$("address").value = socketUrl("/realtime/ws");
$("connection-form").addEventListener("submit", connect);
$("disconnect").addEventListener("click", disconnect);
$("subscribe-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("channel").value;
  $("publish-channel").value = name;
  const isWatching = $("join-leave").checked;
  const options = { history: { limit: Number($("history").value) }, presence: isWatching, join_leave: isWatching };
  settle(connected()?.subscribe(name, options));
});
$("what").addEventListener("change", () => {
  const isToUser = ["direct", "notify"].includes($("what").value);
  $("target-label").textContent = isToUser ? "User (as in sub of the token)" : "Channel";
  $("persistent").disabled = $("what").value === "notify"; // what is for a user is always kept
});
$("publish-form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (connected()) settle(send($("what").value, $("publish-channel").value, $("data").value));
});

/** @param {string} what @param {string} target a channel, or a user @param {string} text */
function send(what, target, text) {
  const options = $("persistent").checked ? { persistent: true } : {};
  const notification = { title: text, body: "from the test page" };
  switch (what) {
    case "notification":
      return client.notify({ channel: target }, { ...notification, ...options });
    case "direct":
      return client.direct(target, parseData(text), options);
    case "notify":
      return client.notify({ user_id: target }, notification);
    default:
      return client.publish(target, parseData(text), options);
  }
}
