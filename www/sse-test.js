/** sse-test.js - the SSE test page: the browser's EventSource to listen, fetch() to publish. */
import { Log, parseChannels, parseData } from "./log.js";
import { eventsUrl } from "./realtime.js";

const $ = (id) => document.getElementById(id);
const EVENTS = ["message", "notification", "binary_data", "join", "leave", "gap", "disconnect"];
const log = new Log($("log"), $("clear"));

/** @type {EventSource | null} */
let source = null;

const requestUrl = () =>
  eventsUrl("/realtime/events", parseChannels($("channels").value), { lastEventId: $("last-event-id").value.trim() });

function showState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
  $("listen").disabled = state !== "off";
  $("stop").disabled = state === "off";
}

function showRequest() {
  $("request").textContent = `GET ${requestUrl()}`;
}

function listen(event) {
  event.preventDefault();
  source = new EventSource(requestUrl());
  showState("connecting", "Connecting…");
  source.onopen = () => {
    log.add("note", "listening", source.url);
    showState("connected", "Listening");
  };
  source.onerror = () => {
    const isOver = source.readyState === EventSource.CLOSED;
    log.add("bad", isOver ? "refused" : "lost", isOver ? "The browser will not try again." : "The browser reconnects by itself.");
    showState(isOver ? "off" : "reconnecting", isOver ? "Not listening" : "Reconnecting…");
  };
  for (const type of EVENTS) {
    source.addEventListener(type, ({ data, lastEventId }) => {
      log.add("in", type, data);
      if (!lastEventId) return;
      $("last-event-id").value = lastEventId;
      showRequest();
    });
  }
}

function stop() {
  source?.close();
  source = null;
  showState("off", "Not listening");
}

async function send(event) {
  event.preventDefault();
  const body = { channel: $("channel").value, data: parseData($("data").value), persistent: $("persistent").checked };
  const key = $("api-key").value.trim();
  const headers = { "Content-Type": "application/json", ...(key && { "X-API-Key": key }) };
  try {
    const response = await fetch("/realtime/send", { method: "POST", headers, body: JSON.stringify(body) });
    const answer = await response.text();
    $("answer").textContent = `Answer: ${response.status} ${answer}`;
    $("answer").classList.toggle("bad", !response.ok);
  } catch (error) {
    $("answer").textContent = `No answer: ${error.message}`;
    $("answer").classList.add("bad");
  }
}

$("origin").textContent = location.origin;
$("listen-form").addEventListener("submit", listen);
$("listen-form").addEventListener("input", showRequest);
$("stop").addEventListener("click", stop);
$("send-form").addEventListener("submit", send);
showRequest();
