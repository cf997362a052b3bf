/** fake_socket.mjs - a WebSocket, and an EventSource, whose other end is the test. */
export class FakeSocket {
  static OPEN = 1;
  /** All there have been, the newest last. */
  static all = [];
  static get last() {
    return FakeSocket.all.at(-1);
  }

  constructor(url, protocols) {
    Object.assign(this, { url, protocols, readyState: 0, sent: [] });
    FakeSocket.all.push(this);
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close(code = 1005) {
    this.drop(code);
  }

  /** The server lets us in. */
  welcome(more = {}) {
    this.readyState = FakeSocket.OPEN;
    this.onopen();
    this.say({ type: "welcome", connection_id: `conn_${FakeSocket.all.length}`, ...more });
  }

  say(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }

  /** Answer the newest request of a type. */
  answer(type, message) {
    const request = this.sent.findLast((one) => one.type === type);
    this.say({ id: request.id, ...message });
  }

  drop(code = 1006, reason = "") {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose({ code, reason });
  }
}

export class FakeEventSource {
  static CLOSED = 2;
  static all = [];
  static get last() {
    return FakeEventSource.all.at(-1);
  }

  constructor(url) {
    Object.assign(this, { url, readyState: 0, listeners: {} });
    FakeEventSource.all.push(this);
  }

  /** What the client asked for. */
  get query() {
    return Object.fromEntries(new URL(this.url, "http://host/").searchParams);
  }

  addEventListener(type, listener) {
    this.listeners[type] = listener;
  }

  say(type, message, lastEventId = "") {
    this.listeners[type]?.({ data: JSON.stringify(message), lastEventId });
  }

  close() {
    this.readyState = FakeEventSource.CLOSED;
  }

  /** An HTTP status that ends it. */
  refuse() {
    this.close();
    this.onerror();
  }
}
