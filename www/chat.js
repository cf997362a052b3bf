/** chat.js - the chat beside a call: the channel `room:ROOM`, whose messages stay for those who come later. */
import { RealtimeClient, socketUrl } from "./realtime.js";

const OWN_ID_KEY = "realtime.chat_id";

/** Who we are in a chat, the same after a reload of this tab. */
function ownId() {
  let id = sessionStorage.getItem(OWN_ID_KEY);
  if (!id) {
    id = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    sessionStorage.setItem(OWN_ID_KEY, id);
  }
  return id;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text; // never markup: people typed it
  return made;
}

/** "see https://a.b/c." -> ["see ", "https://a.b/c", "."]: addresses are at the odd places. */
export function splitLinks(text) {
  return text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)\]'])/);
}

/** The time of day, and of another day than `now` the day as well: what was said stays for a week. */
export function timeText(ts, now = Date.now()) {
  const [said, today] = [new Date(ts), new Date(now)];
  const day = said.toDateString() === today.toDateString() ? {} : { day: "numeric", month: "short" };
  return said.toLocaleString([], { ...day, hour: "2-digit", minute: "2-digit" });
}

function textWithLinks(text) {
  const span = element("span", "text", "");
  splitLinks(text).forEach((part, i) => {
    if (i % 2 === 0) {
      span.append(part);
      return;
    }
    const link = element("a", "", part);
    link.href = part;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    span.append(link);
  });
  return span;
}

export class Chat {
  /**
   * @param {HTMLOListElement} list
   * @param {{room: string, name: string, onMessage: (isReplayed: boolean) => void}} options
   */
  constructor(list, { room, name, onMessage }) {
    this.list = list;
    this.channel = `room:${room}`;
    this.name = name;
    this.own = ownId();
    this.lastFrom = null;
    this.isEmpty = true;
    this.client = new RealtimeClient(socketUrl("/realtime/ws"));
    this.client.on("message", (message) => {
      if (message.channel !== this.channel || typeof message.data?.text !== "string") return;
      this.show(message);
      if (message.data.from !== this.own) onMessage(message.replayed === true);
    });
    this.client.on("gap", ({ reason }) => {
      // A channel of which nothing is stored yet begins anew with the server; nothing was missed.
      if (reason === "epoch_changed" && this.isEmpty) return;
      this.notice("Some messages could not be fetched again");
    });
    list.replaceChildren();
    this.client.connectWebSocket();
    this.client.subscribe(this.channel).catch((error) => this.notice(`No chat: ${error.message}`));
  }

  /** Resolves when the server has stored it. */
  say(text) {
    return this.client.publish(this.channel, { text, name: this.name, from: this.own }, { persistent: true });
  }

  show({ data, ts }) {
    const isOwn = data.from === this.own;
    const item = element("li", isOwn ? "own" : "", "");
    if (!isOwn && data.from !== this.lastFrom) item.append(element("b", "", String(data.name || "Guest")));
    const time = element("time", "", timeText(ts));
    item.append(textWithLinks(data.text), time);
    item.classList.toggle("continued", data.from === this.lastFrom);
    this.lastFrom = data.from;
    this.isEmpty = false;
    this.add(item);
  }

  notice(text) {
    this.lastFrom = null;
    this.add(element("li", "notice", text));
  }

  add(item) {
    const { list } = this;
    const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.append(item);
    if (wasAtEnd || item.classList.contains("own")) list.scrollTop = list.scrollHeight;
  }

  close() {
    this.client.disconnect();
  }
}
