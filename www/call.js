/**
 * call.js - one call: signalling over WebSocket, media over one RTCPeerConnection to the SFU.
 *
 *   const call = new Call({room: "team", name: "Ada", stream});
 *   call.on("peer", (peer) => …);      joined, or changed what it publishes
 *   call.on("self", (peer) => …);      what the server knows of us: {audio_muted, video_muted, …}
 *   call.on("stream", ({peerId, stream}) => …);
 *   call.on("speaker", ({peerId}) => …);  has the floor now
 *   call.on("left", ({peerId}) => …);
 *   call.on("state", (text) => …);     "connecting", "connected", "reconnecting", "failed"
 *   call.on("trouble", (failure) => …); {code, detail}: why media does not get through; null: it does
 *   call.on("ended", ({reason, code}) => …); null: we left; the code is a refusal's, if that is why
 *   await call.join();
 *
 * Both ends may offer. If they do at once the SFU takes its offer back, so this side just goes on
 * (it is the impolite peer of "perfect negotiation").
 */
import { backoffMs, FINAL_CODES, RealtimeError, socketUrl } from "./realtime.js";

/** The server keeps the place of who lost its connection for 10 s: a try or two must fall into that. */
const BACKOFF_MAX_MS = 4_000;

/**
 * The camera in three sizes: everyone gets the one that fits its tile and its network. "L1T3" has Chromium send VP9
 * as three streams as well, and not as layers of one; in each, pictures can be left out where a network is narrow.
 */
const LAYERS = [
  { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000, scalabilityMode: "L1T3" },
  { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000, scalabilityMode: "L1T3" },
  { rid: "f", maxBitrate: 1_700_000, scalabilityMode: "L1T3" },
];

/** What the camera may take in as many spatial layers of one stream, where the server asks for that (SVC). */
const SVC_BITRATES = [150_000, 650_000, 1_700_000];

/** Without the `left` largest of them. */
const svcEncoding = (left) => {
  const count = Math.max(1, SVC_BITRATES.length - left);
  return {
    maxBitrate: SVC_BITRATES[count - 1],
    scalabilityMode: count > 1 ? `L${count}T3_KEY` : "L1T3",
    scaleResolutionDownBy: 2 ** (SVC_BITRATES.length - count),
  };
};

/** Can this browser send `codec` as the layers of one stream? One that cannot does not know what it was asked. */
function canSendLayers({ codec, scalability_mode: scalabilityMode }) {
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  if (!codecs.some(({ mimeType }) => mimeType === `video/${codec}`)) return false;
  const connection = new RTCPeerConnection();
  try {
    const { sender } = connection.addTransceiver("video", { sendEncodings: [{ scalabilityMode }] });
    return sender.getParameters().encodings[0]?.scalabilityMode === scalabilityMode;
  } catch {
    return false;
  } finally {
    connection.close();
  }
}

/** A way that is lost often comes back by itself. */
const RESTART_MS = 1000;
/** As the server would say it. */
const LOST = { code: "timeout", detail: "the connection to the media server was lost" };
const NEVER_CONNECTED = { code: "never_connected", detail: "the media server could not be reached" };
/** How long to watch only before a busy server is asked again. */
const BUSY_MS = 5000;

/** A password as a subprotocol takes it: base64url of UTF-8. */
export function base64url(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const KICKED_TEXTS = {
  room_deleted: "The room was closed",
  banned: "You were banned from this room",
  kicked: "You were removed from the call",
};

/** What the server says by closing alone. */
const ELSEWHERE = "You have joined this room once more in another tab or window";
const CLOSED_TEXTS = {
  kicked: KICKED_TEXTS.kicked,
  "came anew elsewhere": ELSEWHERE,
  "resumed elsewhere": ELSEWHERE,
  "": "The server ended the call",
};

/** What the server says to who is sent out: {code, reason}, the reason being the moderator's own words, if any. */
export function kickedText({ code, reason }) {
  const text = KICKED_TEXTS[code] ?? KICKED_TEXTS.kicked;
  return reason && reason !== code ? `${text}: ${reason}` : text;
}

export class Call extends EventTarget {
  /**
   * `password` and `invite` open a room that has one or is locked; a `resumeToken` of an earlier call makes
   * us the same guest to an invite that counts.
   * @param {{room: string, name: string, stream: MediaStream | null, password?: string, invite?: string, resumeToken?: string}} options
   */
  constructor({ room, name, stream, password = "", invite = "", resumeToken = "" }) {
    super();
    this.room = room;
    this.name = name;
    this.stream = stream;
    this.password = password;
    this.invite = invite;
    this.resumeToken = resumeToken;
    this.peerId = null;
    this.peers = new Map();
    /** track_id -> what was said last of how it is shown */
    this.views = new Map();
    /** peer_id -> what it is seen and heard by; mid -> whose track that m-line shows */
    this.streams = new Map();
    this.slots = new Map();
    this.isOver = false;
    this.attempt = 0;
    this.isMakingOffer = false;
    this.isWaiting = false;
    this.sendsLayers = false;
    /** Server messages are handled one after the other: descriptions must not overtake. */
    this.queue = Promise.resolve();
  }

  on(type, listener) {
    this.addEventListener(type, (event) => listener(event.detail));
    return this;
  }

  emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  // ---- signalling ----

  /** Rejects with the server's error if it does not let us in; it may be called again then. */
  join() {
    this.emit("state", "connecting");
    return new Promise((resolve, reject) => {
      this.whenJoined = { resolve, reject };
      this.openSocket();
    });
  }

  openSocket() {
    const parameters = { room_id: this.room, name: this.name };
    if (this.resumeToken) parameters.resume_token = this.resumeToken;
    if (this.resumeToken && this.peerId) parameters.peer_id = this.peerId;
    const protocols = ["realtime.v1"];
    if (this.password) protocols.push(`password.${base64url(this.password)}`);
    if (this.invite) protocols.push(`invite.${this.invite}`);
    const socket = new WebSocket(socketUrl(`/realtime/webrtc/signaling?${new URLSearchParams(parameters)}`), protocols);
    this.socket = socket;
    socket.onmessage = (event) => {
      const message = JSON.parse(event.data);
      // Last words: the socket closes behind them, which must not be heard first.
      if (message.type === "kicked") this.end(kickedText(message));
      else this.queue = this.queue.then(() => this.isOver || this.receive(message)).catch((error) => this.emit("problem", error));
    };
    socket.onclose = (event) => this.socket === socket && this.closed(event);
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  closed(event) {
    if (this.isOver) return;
    if (FINAL_CODES.has(event.code)) {
      this.end(this.lastError?.message ?? CLOSED_TEXTS[event.reason] ?? event.reason, this.lastError?.code);
      return;
    }
    this.emit("state", "reconnecting");
    setTimeout(() => this.isOver || this.openSocket(), backoffMs(this.attempt++, BACKOFF_MAX_MS));
  }

  async receive(message) {
    switch (message.type) {
      case "joined":
        return this.joined(message);
      case "peer-joined":
      case "peer-updated":
        if (message.peer.peer_id === this.peerId) {
          this.emit("self", message.peer);
          return;
        }
        this.peers.set(message.peer.peer_id, message.peer);
        this.forgetViews();
        this.emit("peer", message.peer);
        return;
      case "peer-left":
        this.peers.delete(message.peer_id);
        this.forgetStream(message.peer_id);
        this.emit("left", { peerId: message.peer_id, reason: message.reason });
        return;
      case "signal":
        return this.signaled(message);
      case "active-speaker":
        this.emit("speaker", { peerId: message.peer_id });
        return;
      case "connection-state":
        return this.mediaChanged(message);
      case "layers":
        return this.switchLayers(message);
      case "slot":
        return this.moveSlot(message);
      case "error":
        this.refused(new RealtimeError(message.code, message.detail, message.field));
    }
  }

  refused(error) {
    this.lastError = error;
    if (!this.whenJoined) {
      this.emit("problem", error);
      if (error.code === "media_overloaded") this.watchMeanwhile();
      return;
    }
    const { socket, whenJoined } = this;
    this.socket = this.whenJoined = null;
    socket.close();
    whenJoined.reject(error);
  }

  joined(message) {
    this.attempt = 0;
    this.lastError = null;
    const isResumed = message.resumed === true && this.connection;
    this.views.clear(); // what was said while the socket was away is lost: it is said again
    this.peerId = message.peer_id;
    this.resumeToken = message.resume_token;
    const present = new Set(message.peers.map((peer) => peer.peer_id));
    for (const peerId of this.peers.keys()) {
      if (!present.has(peerId)) this.emit("left", { peerId, reason: "left" });
    }
    const others = message.peers.filter((peer) => peer.peer_id !== this.peerId);
    this.peers = new Map(others.map((peer) => [peer.peer_id, peer]));
    this.emit("joined", { peerId: this.peerId, peers: others });
    for (const peer of others) this.emit("peer", peer);
    this.sendsLayers = message.svc ? canSendLayers(message.svc) : false;
    if (isResumed) this.goOn(this.connection);
    else this.connect(message.ice_servers);
    this.whenJoined?.resolve();
    this.whenJoined = null;
  }

  /** We are who we were. What was said while signalling was away is lost: an offer of ours, or the answer to it. */
  goOn(connection) {
    this.emit("state", connection.connectionState);
    if (connection.signalingState === "have-local-offer") this.signal("offer", connection.localDescription.sdp);
  }

  async signaled(message) {
    if (message.signal_type === "renegotiate") {
      this.views.clear();
      this.connect(this.iceServers); // the SFU has started anew and knows nothing of us
      return;
    }
    const connection = this.connection;
    if (!connection) return; // on our way to a new one
    if (message.signal_type === "offer") {
      if (this.isMakingOffer || connection.signalingState !== "stable") return; // ours goes first
      await connection.setRemoteDescription({ type: "offer", sdp: message.sdp });
      await connection.setLocalDescription();
      this.signal("answer", connection.localDescription.sdp, { offer_id: message.offer_id });
    } else if (message.signal_type === "answer") {
      await connection.setRemoteDescription({ type: "answer", sdp: message.sdp });
      this.emit("unseen", false);
      this.describeTracks();
    }
  }

  signal(signal_type, sdp, more = {}) {
    this.send({ type: "signal", signal_type, target_peer_id: "sfu", room_id: this.room, sdp, ...more });
  }

  // ---- media ----

  /** What the server sees of our connection to it. We are still in the call, and may try again. */
  mediaChanged({ state, code, detail }) {
    if (state !== "failed") return; // what goes well we see for ourselves
    this.emit("trouble", { code, detail });
    if (code === "never_connected") this.connection?.restartIce();
  }

  connect(iceServers) {
    this.connection?.close();
    this.iceServers = iceServers;
    const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    let wasConnected = false;
    this.connection = connection;
    for (const peerId of this.streams.keys()) this.forgetStream(peerId);
    connection.ontrack = ({ track, transceiver, streams }) => this.showTrack(transceiver.mid, track, streams[0]?.id);
    connection.onnegotiationneeded = () => this.offer(connection);
    connection.onconnectionstatechange = () => {
      if (connection !== this.connection || this.isOver) return;
      this.emit("state", connection.connectionState);
      if (connection.connectionState === "connected") {
        wasConnected = true;
        this.emit("trouble", null);
      }
      if (connection.connectionState === "disconnected") this.lookForAnotherWay(connection);
      if (connection.connectionState !== "failed") return;
      this.emit("trouble", wasConnected ? LOST : NEVER_CONNECTED); // the server may notice later than we do
      this.rejoin();
    };
    if (!this.isWaiting) this.publish(connection);
    if (connection.getTransceivers().length > 0) return;
    // Who publishes nothing has nothing to offer: until somebody else does, signalling is all there is.
    this.emit("state", "connected");
    this.emit("trouble", null);
  }

  /** The server has no room for what we would send: take what the others send, and ask again. */
  async watchMeanwhile() {
    if (!this.connection || this.isWaiting) return;
    this.isWaiting = true;
    this.emit("unseen", true);
    setTimeout(() => {
      this.isWaiting = false;
      this.publish(this.connection);
    }, BUSY_MS);
    // What a first offer has numbered would collide with the numbers of the server's own offers.
    if (!this.connection.currentRemoteDescription) this.connect(this.iceServers);
    else await this.connection.setLocalDescription({ type: "rollback" });
  }

  /** Have our tracks in the connection, which makes an offer, or make that offer once more. */
  publish(connection) {
    if (!connection) return;
    if (connection.getSenders().some(({ track }) => track)) {
      this.offer(connection);
      return;
    }
    for (const track of this.stream?.getTracks() ?? []) {
      const pictures = this.sendsLayers ? [svcEncoding(0)] : LAYERS;
      const sendEncodings = track.kind === "video" ? pictures : undefined;
      connection.addTransceiver(track, { streams: [this.stream], ...(sendEncodings && { sendEncodings }) });
    }
  }

  async offer(connection) {
    if (connection !== this.connection || this.isWaiting) return;
    this.isMakingOffer = true;
    try {
      await connection.setLocalDescription();
      this.signal("offer", connection.localDescription.sdp);
    } catch (error) {
      this.emit("problem", error);
    } finally {
      this.isMakingOffer = false;
    }
  }

  /** The network may be another one now: ICE looks anew, and the call goes on in it. */
  lookForAnotherWay(connection) {
    setTimeout(() => {
      if (connection === this.connection && connection.connectionState === "disconnected") connection.restartIce();
    }, RESTART_MS);
  }

  /** Start over as somebody new: the way to the SFU is lost. The token still tells an invite who we were. */
  rejoin() {
    this.peerId = null;
    this.connection?.close();
    this.connection = null;
    this.emit("state", "reconnecting");
    this.socket?.close();
  }

  /** @param {"audio" | "video"} kind @param {boolean} muted */
  setMuted(kind, muted) {
    for (const track of this.stream?.getTracks() ?? []) {
      if (track.kind === kind) track.enabled = !muted;
    }
    this.describeTracks();
  }

  /** An m-line shows a track of `peerId` from now on. */
  showTrack(mid, track, peerId) {
    const before = this.slots.get(mid);
    if (before !== peerId) this.streams.get(before)?.removeTrack(track);
    this.slots.set(mid, peerId);
    if (!peerId) return;
    if (!this.streams.has(peerId)) this.streams.set(peerId, new MediaStream());
    const stream = this.streams.get(peerId);
    stream.addTrack(track);
    this.emit("stream", { peerId, stream });
  }

  /** In a large room an m-line goes on with whoever is worth to be seen or heard now. */
  moveSlot({ mid, peer_id: peerId, track_id: trackId }) {
    const transceiver = this.connection?.getTransceivers().find((candidate) => candidate.mid === mid);
    if (!transceiver) return;
    const before = this.slots.get(mid);
    this.views.delete(trackId); // the server has forgotten how it was shown
    this.showTrack(mid, transceiver.receiver.track, peerId);
    if (before !== peerId && this.streams.has(before)) this.emit("stream", { peerId: before, stream: this.streams.get(before) });
  }

  forgetStream(peerId) {
    this.streams.delete(peerId);
    for (const [mid, owner] of this.slots) if (owner === peerId) this.slots.delete(mid);
  }

  /** Tell the others what our tracks are; they cannot know a muted one from silence. */
  describeTracks() {
    for (const { mid, sender } of this.connection?.getTransceivers() ?? []) {
      const track = sender.track;
      if (!mid || !track) continue;
      const source = track.kind === "audio" ? "microphone" : "camera";
      this.send({ type: "track", mid, kind: track.kind, source, muted: !track.enabled });
    }
  }

  /** Tracks that are gone may come back, and are not known by then. */
  forgetViews() {
    const present = new Set([...this.peers.values()].flatMap(({ tracks }) => tracks.map(({ track_id }) => track_id)));
    for (const trackId of this.views.keys()) if (!present.has(trackId)) this.views.delete(trackId);
  }

  /** Sizes of our picture that nobody is sent need not be made. */
  async switchLayers({ mid, layers }) {
    const sender = this.connection?.getTransceivers().find((transceiver) => transceiver.mid === mid)?.sender;
    const parameters = sender?.getParameters();
    if (!parameters?.encodings?.length) return;
    if (layers[0]?.spatial_layer !== undefined) {
      Object.assign(parameters.encodings[0], svcEncoding(layers.filter(({ active }) => !active).length));
    } else {
      for (const encoding of parameters.encodings) {
        encoding.active = layers.find(({ rid }) => rid === encoding.rid)?.active ?? encoding.active;
      }
    }
    await sender.setParameters(parameters);
  }

  /**
   * Say how a track of another's is shown, so that no larger picture is sent than can be seen.
   * @param {string} trackId @param {{width?: number, height?: number, priority?: number, paused?: boolean}} view
   */
  describeView(trackId, view) {
    const text = JSON.stringify(view);
    if (this.views.get(trackId) === text) return;
    this.views.set(trackId, text);
    this.send({ type: "subscription", track_id: trackId, ...view });
  }

  /** How loud each remote audio track is right now, 0 to 1. */
  levels() {
    const levels = new Map();
    for (const { receiver } of this.connection?.getTransceivers() ?? []) {
      if (receiver.track?.kind !== "audio") continue;
      const [source] = receiver.getSynchronizationSources();
      levels.set(receiver.track, source?.audioLevel ?? 0);
    }
    return levels;
  }

  leave() {
    this.end(null);
  }

  end(reason, code = null) {
    if (this.isOver) return;
    this.isOver = true;
    this.socket?.close(1000);
    this.connection?.close();
    this.whenJoined?.reject(new Error(reason ?? "left"));
    this.whenJoined = null;
    this.emit("ended", { reason, code });
  }
}
