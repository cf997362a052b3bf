/**
 * realtime.js - messaging for a web page: channels over WebSocket, events over SSE.
 *
 *   const client = new RealtimeClient("wss://example.org/realtime/ws", "/realtime/events");
 *   client.on("message", (message) => console.log(message.channel, message.data));
 *   client.connectWebSocket();
 *   client.subscribe("general");
 *   await client.publish("general", {text: "Hello"}, {persistent: true});
 *
 * It reconnects by itself with full-jitter back-off and resumes each channel where it was, so that
 * nothing is lost and nothing comes twice. Close codes that are final are not argued with.
 */

/** After these the server does not want to see us again as we are (docs: close codes). */
const FINAL_CODES = new Set([4400, 4401, 4402, 4403, 4410]);
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;

/** Full jitter: anywhere between nothing and the doubled limit. */
export function backoffMs(attempt) {
  return Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** attempt);
}

/** An `error` message of the server, or a time-out of ours. */
export class RealtimeError extends Error {
  /** @param {string} code @param {string} detail @param {string=} field */
  constructor(code, detail, field) {
    super(detail);
    this.code = code;
    this.field = field;
  }
}

export class RealtimeClient extends EventTarget {
  /**
   * @param {string} wsUrl
   * @param {string=} sseUrl
   * @param {{token?: string, getToken?: () => Promise<string>}=} options
   */
  constructor(wsUrl, sseUrl = "/realtime/events", options = {}) {
    super();
    this.wsUrl = wsUrl;
    this.sseUrl = sseUrl;
    this.token = options.token ?? null;
    this.getToken = options.getToken ?? null;
    /** @type {WebSocket | null} */
    this.ws = null;
    /** @type {EventSource | null} */
    this.eventSource = null;
    this.connectionId = null;
    /** Channel -> {options, epoch, offset}: what to ask for again after a drop. */
    this.subscriptions = new Map();
    /** Request id -> {resolve, reject, timer}. */
    this.pending = new Map();
    this.nextId = 1;
    this.attempt = 0;
    this.isWanted = false;
  }

  /** Shorthand for addEventListener: the listener gets the message itself. */
  on(type, listener, options) {
    this.addEventListener(type, (event) => listener(event.detail), options);
    return this;
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // ---- WebSocket ----

  async connectWebSocket() {
    this.isWanted = true;
    if (this.getToken) this.token = await this.getToken();
    const protocols = this.token ? ["realtime.v1", `bearer.${this.token}`] : ["realtime.v1"];
    const ws = new WebSocket(this.wsUrl, protocols);
    this.ws = ws;
    ws.onopen = () => this.emit("open", null);
    ws.onmessage = (event) => this.receive(JSON.parse(event.data));
    ws.onclose = (event) => this.closed(ws, event);
  }

  closed(ws, event) {
    if (this.ws !== ws) return;
    this.ws = null;
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(new RealtimeError("disconnected", "The connection was lost"));
    }
    this.pending.clear();
    this.emit("close", { code: event.code, reason: event.reason });
    if (!this.isWanted || FINAL_CODES.has(event.code)) return;
    setTimeout(() => this.isWanted && this.connectWebSocket(), backoffMs(this.attempt++));
  }

  disconnect() {
    this.isWanted = false;
    this.ws?.close(1000);
    this.eventSource?.close();
  }

  receive(message) {
    if (message.type === "welcome") {
      this.attempt = 0;
      this.connectionId = message.connection_id;
      for (const channel of this.subscriptions.keys()) this.sendSubscribe(channel).catch(() => {});
    }
    this.note(message);
    this.settle(message);
    this.emit(message.type, message);
    if (message.type === "binary") this.handleBinaryData(message);
    if (message.type === "notification") this.showNotification(message.title, message.body);
    this.handleMessage(message);
  }

  /** Remember how far each channel has come. */
  note(message) {
    const subscription = this.subscriptions.get(message.channel);
    if (!subscription || message.offset === undefined) return;
    if (message.type === "subscribed" && message.recovered === false) this.emit("gap", message);
    if (message.type === "subscribed" && message.replay_count > 0) return;
    subscription.epoch = message.epoch;
    subscription.offset = message.offset;
  }

  settle(message) {
    const waiting = this.pending.get(message.id);
    if (!waiting) return;
    this.pending.delete(message.id);
    clearTimeout(waiting.timer);
    if (message.type === "error") {
      waiting.reject(new RealtimeError(message.code, message.detail, message.field));
    } else waiting.resolve(message);
  }

  /** Send one message and wait for what answers it. */
  request(message) {
    return new Promise((resolve, reject) => {
      if (this.ws?.readyState !== WebSocket.OPEN) {
        reject(new RealtimeError("disconnected", "Not connected"));
        return;
      }
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new RealtimeError("timeout", "The server did not answer in time"));
      }, ANSWER_TIMEOUT_MS);
      this.pending.set(id, { resolve, reject, timer });
      this.ws.send(JSON.stringify({ ...message, id }));
    });
  }

  sendSubscribe(channel) {
    const { options, epoch, offset } = this.subscriptions.get(channel);
    const recover = epoch === undefined ? undefined : { epoch, offset };
    return this.request({ type: "subscribe", channel, ...options, recover });
  }

  /** @param {string} channel @param {object=} options filters, history, presence … */
  async subscribe(channel, options = {}) {
    this.subscriptions.set(channel, { options });
    if (this.ws?.readyState === WebSocket.OPEN && this.connectionId) await this.sendSubscribe(channel);
  }

  async unsubscribe(channel) {
    this.subscriptions.delete(channel);
    await this.request({ type: "unsubscribe", channel });
  }

  /** @param {string} channel @param {any} data @param {object=} options persistent, ttl, tags … */
  publish(channel, data, options = {}) {
    return this.request({ type: "message", channel, data, ...options });
  }

  // ---- SSE ----

  /** @param {string} channel */
  connectSSE(channel) {
    this.eventSource = new EventSource(`${this.sseUrl}?channel=${encodeURIComponent(channel)}`);
    const forward = (type) =>
      this.eventSource.addEventListener(type, (event) => {
        const message = JSON.parse(event.data);
        this.emit(type, message);
        if (type === "notification") this.showNotification(message.title, message.body);
        if (type === "binary_data") this.handleBinaryData(message);
      });
    ["message", "notification", "binary_data", "join", "leave", "gap"].forEach(forward);
  }

  // ---- files ----

  /** @param {File} file @param {string | null} channel */
  async sendFile(file, channel = null) {
    const form = new FormData();
    form.append("file", file);
    if (channel) form.append("channel", channel);
    const headers = this.token ? { Authorization: `Bearer ${this.token}` } : {};
    const response = await fetch("/realtime/binary/upload", { method: "POST", body: form, headers });
    const answer = await response.json();
    if (!response.ok) throw new RealtimeError(answer.code, answer.detail);
    return answer;
  }

  handleBinaryData(message) {
    if (message.content_type.startsWith("image/")) this.displayImage(message);
    else if (message.content_type === "application/pdf") this.downloadFile(message);
  }

  sourceOf(message) {
    return message.url ?? `data:${message.content_type};base64,${message.binary_data}`;
  }

  displayImage(message) {
    const image = document.createElement("img");
    image.src = this.sourceOf(message);
    image.alt = message.filename ?? "";
    document.body.appendChild(image);
  }

  downloadFile(message) {
    const link = document.createElement("a");
    link.href = this.sourceOf(message);
    link.download = message.filename ?? "download";
    link.click();
  }

  // ---- for subclasses ----

  handleMessage(_message) {}
  showNotification(_title, _body) {}
}
