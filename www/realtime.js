/**
 * realtime.js - messaging for a web page: channels over WebSocket, events over SSE.
 *
 *   const client = new RealtimeClient("wss://example.org/realtime/ws", "/realtime/events");
 *   client.on("message", (message) => console.log(message.channel, message.data));
 *   client.connectWebSocket();
 *   await client.subscribe("general");
 *   await client.publish("general", {text: "Hello"}, {persistent: true});
 *
 * It reconnects by itself with full-jitter back-off and resumes each channel where it was, so that
 * nothing is lost and nothing comes twice. What is published carries an idempotency_key and is sent
 * again until it is acknowledged; what else is asked for while there is no connection waits for the
 * next one. Close codes that are final are not argued with.
 *
 * With getToken the client stays who it is: when the server tells that the token is about to expire, a
 * new one is fetched and shown, without a new connection. An event stream connects again with it.
 *
 * Events: "open", "close", and every type of message the server sends ("welcome", "subscribed",
 * "message", "notification", "gap", "unsubscribed", "error" …); from SSE also "sse-open" and "sse-lost".
 */

/** After these the server does not want to see us again as we are. */
export const FINAL_CODES = new Set([4400, 4401, 4402, 4403, 4410]);
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 20_000;
const ANSWER_TIMEOUT_MS = 10_000;
/** Until then the browser has surely begun to read what it saves. */
const DOWNLOAD_START_MS = 10_000;
const SSE_EVENTS = ["message", "notification", "binary_data", "presence", "join", "leave", "gap", "disconnect"];
/** What counts in its channel: by the last one seen, a connection goes on after a drop. */
const COUNTED = new Set(["message", "binary", "notification"]);
/** Refusals that pass: a channel that was heard before the connection was lost is asked for again. */
const PASSING_CODES = new Set(["store_busy", "store_failed", "store_full", "out_of_memory", "rate_limited", "busy"]);

/** Full jitter: anywhere between nothing and the doubled limit. */
export function backoffMs(attempt, mostMs = BACKOFF_MAX_MS) {
  return Math.random() * Math.min(mostMs, BACKOFF_FIRST_MS * 2 ** attempt);
}

/** The address of a WebSocket on the host that served this page. */
export function socketUrl(path, location = window.location) {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}${path}`;
}

/**
 * @param {string} sseUrl @param {string[]} channels
 * @param {{lastEventId?: string, token?: string | null, filters?: object, presence?: boolean, joinLeave?: boolean}} more
 */
export function eventsUrl(sseUrl, channels, { lastEventId, token, filters, presence, joinLeave } = {}) {
  const query = channels.map((channel) => `channel=${encodeURIComponent(channel)}`);
  if (filters) query.push(`filters=${encodeURIComponent(JSON.stringify(filters))}`);
  if (presence) query.push("presence=true");
  if (joinLeave) query.push("join_leave=true");
  if (lastEventId) query.push(`last_event_id=${encodeURIComponent(lastEventId)}`);
  if (token) query.push(`token=${encodeURIComponent(token)}`); // an EventSource sends no headers
  return `${sseUrl}?${query.join("&")}`;
}

/** In time for a server that knows the key for minutes; unguessable, so nobody else's. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Uint8Array} bytes */
function base64Of(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

function blobOf({ content_type, binary_data }) {
  const bytes = Uint8Array.from(atob(binary_data), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: content_type });
}

/** An `error` message of the server, or a failure of ours. */
export class RealtimeError extends Error {
  /** @param {string} code @param {string} detail @param {string=} field @param {number=} retryAfter seconds */
  constructor(code, detail, field, retryAfter) {
    super(detail);
    this.code = code;
    this.field = field;
    this.retryAfter = retryAfter;
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
    /** Set between `welcome` and the loss of the connection. */
    this.connectionId = null;
    /** Heard without asking; null for somebody unknown. */
    this.ownChannel = null;
    /** Channel -> {options, wasHeard, epoch, offset, replayLeft, ahead, resolve, reject}: what to ask for again after a drop. */
    this.subscriptions = new Map();
    /** Request id -> {message, isSent, resolve, reject, timer}. */
    this.pending = new Map();
    this.nextId = 1;
    this.attempt = 0;
    this.isWanted = false;
    this.isConnecting = false;
    this.wasWelcomed = false;
    this.retryAfterMs = 0;
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

  connectWebSocket() {
    this.isWanted = true;
    if (this.ws || this.isConnecting) return;
    if (!this.getToken) {
      this.openSocket();
      return;
    }
    this.isConnecting = true;
    this.getToken()
      .then((token) => {
        this.isConnecting = false;
        this.token = token;
        if (this.isWanted) this.openSocket();
      })
      .catch((error) => {
        this.isConnecting = false;
        this.emit("error", { type: "error", code: "no_token", detail: String(error) });
        this.reconnectLater();
      });
  }

  openSocket() {
    const protocols = this.token ? ["realtime.v1", `bearer.${this.token}`] : ["realtime.v1"];
    const ws = new WebSocket(this.wsUrl, protocols);
    this.ws = ws;
    ws.onopen = () => this.emit("open", null);
    ws.onmessage = (event) => this.ws === ws && this.receive(JSON.parse(event.data));
    ws.onclose = (event) => this.closed(ws, event);
  }

  closed(ws, { code, reason }) {
    if (this.ws !== ws) return;
    this.ws = this.connectionId = null;
    clearInterval(this.pingTimer);
    /* A token that expired while this machine slept: once more with a new one. */
    const mayRenew = code === 4401 && this.getToken !== null && this.wasWelcomed;
    const isFinal = FINAL_CODES.has(code) && !mayRenew;
    if (isFinal) this.isWanted = false;
    this.wasWelcomed = false;
    for (const [id, request] of this.pending) {
      const { isSent, message, reject, timer } = request;
      if (this.isWanted && (!isSent || message.idempotency_key)) {
        request.isSent = false; // the next connection takes it, perhaps once more
        continue;
      }
      this.pending.delete(id);
      clearTimeout(timer);
      reject(new RealtimeError("disconnected", "The connection was lost"));
    }
    if (isFinal) {
      const refusal = new RealtimeError("closed", reason || "The server closed the connection");
      for (const subscription of this.subscriptions.values()) subscription.reject(refusal);
    }
    this.emit("close", { code, reason, willReconnect: this.isWanted });
    this.reconnectLater();
  }

  reconnectLater() {
    if (!this.isWanted) return;
    const delay = this.retryAfterMs + backoffMs(this.attempt++);
    this.retryAfterMs = 0;
    this.reconnectTimer = setTimeout(() => this.isWanted && this.connectWebSocket(), delay);
  }

  /** A connection that does not answer: its own close event may be minutes away. */
  abandon() {
    const ws = this.ws;
    ws?.close();
    if (ws) this.closed(ws, { code: 1006, reason: "no answer" });
  }

  /** End both connections. The subscriptions are kept for the next connectWebSocket(). */
  disconnect() {
    this.isWanted = false;
    clearTimeout(this.reconnectTimer);
    this.ws?.close(1000);
    this.disconnectSSE();
  }

  receive(message) {
    if (message.type === "welcome") this.welcomed(message);
    if (message.type === "disconnect") this.warned(message);
    if (message.type === "refresh_required") this.refresh();
    // Without an id it answers nothing of ours: the token does not allow the channel any more.
    if (message.type === "unsubscribed" && message.id === undefined) this.subscriptions.delete(message.channel);
    this.note(message);
    this.settle(message);
    this.emit(message.type, message);
    if (message.type === "binary") this.handleBinaryData(message);
    if (message.type === "notification") this.showNotification(message.title, message.body);
    this.handleMessage(message);
  }

  welcomed(message) {
    this.attempt = 0;
    this.wasWelcomed = true;
    this.connectionId = message.connection_id;
    this.ownChannel = message.user_id ? `user_${message.user_id}` : null;
    if (message.ping_interval > 0) {
      this.pingTimer = setInterval(() => this.ping(), message.ping_interval * 1000);
    }
    for (const channel of this.subscriptions.keys()) this.sendSubscribe(channel);
    for (const request of this.pending.values()) this.sendRequest(request);
  }

  /** Show the server a new token, before the old one expires. */
  async refresh() {
    if (!this.getToken) return;
    try {
      this.token = await this.getToken();
      await this.request({ type: "refresh", token: this.token });
    } catch (error) {
      this.emit("error", { type: "error", code: error.code ?? "no_token", detail: String(error.message ?? error) });
    }
  }

  /** The server is about to close, and says whether to come back. */
  warned(message) {
    const mayRenew = message.code === "token_expired" && this.getToken !== null;
    if (message.reconnect === false && !mayRenew) this.isWanted = false;
    this.retryAfterMs = (message.retry_after ?? 0) * 1000;
  }

  async ping() {
    const ws = this.ws;
    try {
      await this.request({ type: "ping" });
    } catch (error) {
      if (error.code === "timeout" && this.ws === ws) this.abandon();
    }
  }

  /**
   * Remember how far each channel has come (a pattern of channels comes nowhere). An ack does not count:
   * the message itself may still be on its way. In one's own channel messages come before it is asked for;
   * they count only when the replay, which is of older ones, is behind us.
   */
  note({ type, channel, epoch, offset, recovered, reason, replay_count, replayed }) {
    if (channel && channel === this.ownChannel && COUNTED.has(type) && !this.subscriptions.has(channel)) {
      // Nobody has asked for it, so the next connection only gets what this one has missed.
      const options = { history: { limit: 0 } };
      this.subscriptions.set(channel, { options, wasHeard: true, replayLeft: 0, resolve() {}, reject() {} });
    }
    const subscription = this.subscriptions.get(channel);
    if (!subscription || offset === undefined) return;
    if (type === "subscribed") {
      if (recovered === false) this.emit("gap", { type: "gap", channel, reason });
      subscription.replayLeft = replay_count;
      if (replay_count > 0) return; // the replayed ones tell
    } else if (!COUNTED.has(type)) {
      return;
    } else if (subscription.replayLeft === undefined) {
      subscription.ahead = { epoch, offset };
      return;
    } else if (replayed) subscription.replayLeft--;
    const { ahead } = subscription;
    subscription.epoch = epoch;
    subscription.offset = offset;
    if (subscription.replayLeft <= 0 && ahead?.epoch === epoch) subscription.offset = Math.max(offset, ahead.offset);
  }

  settle(message) {
    const request = this.pending.get(message.id);
    if (!request) return;
    this.pending.delete(message.id);
    clearTimeout(request.timer);
    if (message.type === "error") {
      request.reject(new RealtimeError(message.code, message.detail, message.field, message.retry_after));
    } else request.resolve(message);
  }

  /** Send one message and wait for what answers it. */
  request(message) {
    return new Promise((resolve, reject) => {
      if (!this.isWanted) {
        reject(new RealtimeError("disconnected", "Not connected"));
        return;
      }
      const id = this.nextId++;
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new RealtimeError("timeout", "The server did not answer in time"));
      }, ANSWER_TIMEOUT_MS);
      const request = { message: { ...message, id }, isSent: false, resolve, reject, timer };
      this.pending.set(id, request);
      if (this.connectionId) this.sendRequest(request);
    });
  }

  sendRequest(request) {
    if (request.isSent || this.ws?.readyState !== WebSocket.OPEN) return;
    request.isSent = true;
    this.ws.send(JSON.stringify(request.message));
  }

  async sendSubscribe(channel) {
    const subscription = this.subscriptions.get(channel);
    const { options, epoch, offset } = subscription;
    const { connectionId } = this;
    subscription.replayLeft = subscription.ahead = undefined;
    const recover = epoch === undefined || channel.includes("*") ? undefined : { epoch, offset };
    try {
      subscription.resolve(await this.request({ type: "subscribe", channel, ...options, recover }));
      subscription.wasHeard = true;
    } catch (error) {
      if (error.code === "disconnected") return; // asked again after the next welcome
      if (error.code === "timeout") {
        this.abandon();
        return;
      }
      subscription.reject(error);
      if (this.subscriptions.get(channel) !== subscription) return;
      if (subscription.wasHeard && (PASSING_CODES.has(error.code) || error.retryAfter !== undefined)) {
        const isStillAsked = () => this.subscriptions.get(channel) === subscription && this.connectionId === connectionId;
        setTimeout(() => isStillAsked() && this.sendSubscribe(channel), (error.retryAfter ?? 0) * 1000 + BACKOFF_FIRST_MS);
        return;
      }
      this.subscriptions.delete(channel);
      if (subscription.wasHeard) this.emit("unsubscribed", { type: "unsubscribed", channel, code: error.code, reason: error.message });
    }
  }

  /**
   * Resolves with the server's `subscribed`, as soon as there is a connection.
   * @param {string} channel @param {object=} options filters, history, presence …
   */
  subscribe(channel, options = {}) {
    return new Promise((resolve, reject) => {
      this.subscriptions.set(channel, { options, resolve, reject });
      if (this.connectionId) this.sendSubscribe(channel);
    });
  }

  async unsubscribe(channel) {
    this.subscriptions.delete(channel);
    if (this.connectionId) await this.request({ type: "unsubscribe", channel });
  }

  /**
   * Resolves with the server's `ack`; a persistent message is stored by then. It is published once,
   * however often the connection breaks meanwhile.
   * @param {string} channel @param {any} data @param {object=} options persistent, ttl, tags …
   */
  publish(channel, data, options = {}) {
    return this.request({ type: "message", channel, data, idempotency_key: newKey(), ...options });
  }

  /** To all connections of one user. @param {string} userId @param {any} data @param {object=} options */
  direct(userId, data, options = {}) {
    return this.request({ type: "direct", user_id: userId, data, idempotency_key: newKey(), ...options });
  }

  /** To everybody who is connected. @param {any} data */
  broadcast(data) {
    return this.request({ type: "broadcast", data });
  }

  /**
   * A notification {title, body, notification_type, data} to {user_id}, {channel} or {broadcast: true}.
   * @param {object} target @param {object} notification
   */
  notify(target, notification) {
    const key = target.broadcast ? {} : { idempotency_key: newKey() };
    return this.request({ type: "notification", ...key, ...target, ...notification });
  }

  /**
   * @param {ArrayBuffer | Uint8Array} bytes
   * @param {{channel?: string, content_type?: string, filename?: string, persistent?: boolean}=} options
   */
  sendBinary(bytes, options = {}) {
    const binary_data = base64Of(new Uint8Array(bytes));
    return this.request({ type: "binary", binary_data, idempotency_key: newKey(), ...options });
  }

  /** Who is on a channel: {members, count, version}. @param {string} channel */
  presence(channel) {
    return this.request({ type: "presence", channel });
  }

  /** Stored messages. @param {string} channel @param {{limit?: number, since?: object, reverse?: boolean}=} options */
  history(channel, options = {}) {
    return this.request({ type: "history", channel, ...options });
  }

  // ---- SSE ----

  /**
   * @param {string | string[]} channels
   * @param {{filters?: object, presence?: boolean, joinLeave?: boolean}=} options
   */
  connectSSE(channels, options = {}) {
    this.disconnectSSE();
    this.sse = { channels: [channels].flat(), options, lastEventId: "", attempt: 0, timer: 0 };
    this.openEventSource();
  }

  disconnectSSE() {
    clearTimeout(this.sse?.timer);
    this.sse = null;
    this.eventSource?.close();
    this.eventSource = null;
  }

  async openEventSource() {
    const { sse } = this;
    if (this.getToken) {
      try {
        this.token = await this.getToken();
      } catch (error) {
        this.emit("error", { type: "error", code: "no_token", detail: String(error) });
        this.openEventSourceLater(sse);
        return;
      }
      if (this.sse !== sse) return; // something else is wanted by now
    }
    const source = new EventSource(
      eventsUrl(this.sseUrl, sse.channels, { ...sse.options, lastEventId: sse.lastEventId, token: this.token }),
    );
    this.eventSource = source;
    source.onopen = () => {
      sse.attempt = 0;
      this.emit("sse-open", null);
    };
    source.onerror = () => {
      if (this.eventSource !== source) return;
      this.emit("sse-lost", null);
      // It comes back by itself unless an HTTP status ended it, and a restart answers 503 for a while.
      if (source.readyState !== EventSource.CLOSED) return;
      this.openEventSourceLater(sse);
    };
    for (const type of SSE_EVENTS) {
      source.addEventListener(type, (event) => this.receiveEvent(type, event));
    }
  }

  openEventSourceLater(sse) {
    if (this.sse !== sse) return;
    sse.timer = setTimeout(() => this.openEventSource(), backoffMs(sse.attempt++));
  }

  receiveEvent(type, event) {
    const message = JSON.parse(event.data);
    const isFarewell = type === "disconnect" && message.reconnect === false;
    if (event.lastEventId && !isFarewell) this.sse.lastEventId = event.lastEventId;
    if (isFarewell && message.code === "token_expired" && this.getToken) {
      this.eventSource.close();
      this.openEventSource();
    } else if (isFarewell) this.disconnectSSE();
    this.emit(type, message);
    if (type === "notification") this.showNotification(message.title, message.body);
    if (type === "binary_data") this.handleBinaryData(message);
  }

  // ---- files ----

  /** @param {File} file @param {string | null} channel */
  async sendFile(file, channel = null) {
    const form = new FormData();
    form.append("file", file);
    if (channel) form.append("channel", channel);
    const token = this.getToken ? await this.getToken() : this.token; // that of a connection may have ended with it
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch("/realtime/binary/upload", { method: "POST", body: form, headers });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw new RealtimeError(answer.code ?? "upload_failed", answer.detail ?? `The server answered ${response.status}`);
    }
    return answer;
  }

  handleBinaryData(message) {
    const type = message.content_type ?? "";
    if (type.startsWith("image/")) this.displayImage(message);
    else if (type === "application/pdf") this.downloadFile(message);
  }

  /** The content inline, or where the server keeps it; a script is neither. */
  sourceOf({ url, content_type, binary_data }) {
    if (url === undefined) return `data:${content_type};base64,${binary_data}`;
    const { protocol, href } = new URL(url, document.baseURI);
    if (protocol !== "https:" && protocol !== "http:") {
      throw new RealtimeError("bad_url", `${protocol} is no address of a file`);
    }
    return href;
  }

  displayImage(message) {
    const image = document.createElement("img");
    image.src = this.sourceOf(message);
    image.alt = message.filename ?? "";
    document.body.appendChild(image);
  }

  downloadFile(message) {
    const isInline = message.url === undefined;
    const link = document.createElement("a");
    link.href = isInline ? URL.createObjectURL(blobOf(message)) : this.sourceOf(message);
    link.download = message.filename ?? "download";
    link.click();
    if (isInline) setTimeout(() => URL.revokeObjectURL(link.href), DOWNLOAD_START_MS);
  }

  // ---- for subclasses ----

  handleMessage(_message) {}

  /** Shown if the person has allowed it; asking is for the page to do, on a click. */
  showNotification(title, body) {
    if (globalThis.Notification?.permission === "granted") new Notification(title, { body });
  }
}
