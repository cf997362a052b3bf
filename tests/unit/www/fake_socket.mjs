/** fake_socket.mjs - a WebSocket whose other end is the test. */
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
