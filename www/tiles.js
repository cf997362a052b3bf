/** tiles.js - the pictures of a call: one tile for each participant, as large as they fit. */

const GAP = 12;
const SPEAKING_LEVEL = 0.02;
/** The mark stays between two words. */
const SPEAKING_HOLD_MS = 700;

/** "Ada Lovelace" -> "AL". */
export function initialsOf(name) {
  const [first = "?", second = ""] = name.trim().split(/\s+/);
  const letter = (word) => [...word][0] ?? "";
  return (letter(first) + letter(second)).toUpperCase() || "?";
}

/**
 * The size of `count` equal tiles that covers most of a stage. Their shape gives way a little: a picture
 * cropped at the sides looks better than a stage half empty.
 * @param {number} count @param {number} width @param {number} height
 */
export function tileSize(count, width, height) {
  const [narrowest, widest] = width < height ? [3 / 4, 16 / 9] : [4 / 3, 16 / 9];
  let best = { width: 0, height: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - GAP * (columns - 1)) / columns;
    const cellHeight = (height - GAP * (rows - 1)) / rows;
    const shape = Math.min(widest, Math.max(narrowest, cellWidth / cellHeight));
    const tileWidth = Math.floor(Math.min(cellWidth, cellHeight * shape));
    const tileHeight = Math.floor(tileWidth / shape);
    if (tileWidth * tileHeight > best.width * best.height) best = { width: tileWidth, height: tileHeight };
  }
  return best;
}

export class Tiles {
  /** @param {HTMLElement} stage @param {HTMLTemplateElement} template */
  constructor(stage, template) {
    this.stage = stage;
    this.template = template;
    /** peer_id -> {element, video, peer, isMuted, speakingUntil} */
    this.byPeer = new Map();
    new ResizeObserver(() => this.arrange()).observe(stage);
  }

  of(peerId) {
    let tile = this.byPeer.get(peerId);
    if (!tile) {
      const element = this.template.content.firstElementChild.cloneNode(true);
      element.dataset.peer = peerId;
      element.classList.add("not-shown"); // until there is a picture
      tile = { element, video: element.querySelector("video"), peer: null, isMuted: false, speakingUntil: 0 };
      this.byPeer.set(peerId, tile);
      this.stage.append(element);
      this.arrange();
    }
    return tile;
  }

  drop(peerId) {
    this.byPeer.get(peerId)?.element.remove();
    this.byPeer.delete(peerId);
    this.arrange();
  }

  clear() {
    for (const peerId of [...this.byPeer.keys()]) this.drop(peerId);
  }

  arrange() {
    const style = getComputedStyle(this.stage);
    const width = this.stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const height = this.stage.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const size = tileSize(this.byPeer.size, width, height);
    this.stage.style.setProperty("--tile-width", `${size.width}px`);
    this.stage.style.setProperty("--tile-height", `${size.height}px`);
  }

  draw(peerId, { name, suffix = "", isMuted, hasPicture }) {
    const tile = this.of(peerId);
    const { element } = tile;
    tile.isMuted = isMuted;
    element.querySelector(".who").textContent = name + suffix;
    element.querySelector(".avatar").dataset.initials = initialsOf(name);
    element.querySelector(".muted-mark").toggleAttribute("hidden", !isMuted);
    element.classList.toggle("without-picture", !hasPicture);
  }

  drawPeer(peer) {
    this.of(peer.peer_id).peer = peer;
    const audio = peer.tracks.find((track) => track.kind === "audio");
    const video = peer.tracks.find((track) => track.kind === "video");
    this.draw(peer.peer_id, {
      name: peer.name || peer.user_id || "Guest",
      isMuted: !audio || audio.muted || peer.audio_muted === true,
      hasPicture: Boolean(video && !video.muted && !peer.video_muted),
    });
  }

  showStream(peerId, stream) {
    const { element, video } = this.of(peerId);
    if (video.srcObject !== stream) video.srcObject = stream;
    element.classList.toggle("not-shown", !stream?.getVideoTracks().length);
  }

  /**
   * How large each picture is shown, in pixels of the screen and rounded up, so that small changes are none.
   * @param {(trackId: string, view: {width: number, height: number}) => void} tell
   */
  eachPicture(tell) {
    const pixels = (length) => Math.ceil((length * window.devicePixelRatio) / 32) * 32;
    for (const { peer, video } of this.byPeer.values()) {
      const track = peer?.tracks.find(({ kind }) => kind === "video");
      if (track) tell(track.track_id, { width: pixels(video.clientWidth), height: pixels(video.clientHeight) });
    }
  }

  /** @param {Map<MediaStreamTrack, number>} levels */
  markSpeakers(levels) {
    const now = performance.now();
    for (const tile of this.byPeer.values()) {
      const tracks = tile.video.srcObject?.getAudioTracks() ?? [];
      if (tracks.some((track) => (levels.get(track) ?? 0) > SPEAKING_LEVEL)) tile.speakingUntil = now + SPEAKING_HOLD_MS;
      tile.element.classList.toggle("speaking", tile.speakingUntil > now && !tile.isMuted);
    }
  }
}
