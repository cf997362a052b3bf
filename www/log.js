/** log.js - what the test pages have in common: their log, and reading "text, or JSON". */

const LINES_MAX = 500;

/** `{"a": 1}` is an object, `Hello` a string; `"5"` keeps a number a string. */
export function parseData(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** "a, b,,a" -> ["a", "b"] */
export function parseChannels(text) {
  return [...new Set(text.split(",").map((name) => name.trim()).filter(Boolean))];
}

export class Log {
  /** @param {HTMLOListElement} list @param {HTMLButtonElement} clear */
  constructor(list, clear) {
    this.list = list;
    clear.addEventListener("click", () => list.replaceChildren());
  }

  /**
   * @param {"in" | "out" | "note" | "bad"} kind
   * @param {string} title
   * @param {any} body an object is shown as JSON
   */
  add(kind, title, body = "") {
    const { list } = this;
    const wasAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const item = document.createElement("li");
    item.className = kind;
    const time = document.createElement("time");
    time.textContent = new Date().toTimeString().slice(0, 8);
    const name = document.createElement("b");
    name.textContent = title;
    item.append(time, " ", name, " ", typeof body === "string" ? body : JSON.stringify(body));
    list.append(item);
    while (list.children.length > LINES_MAX) list.firstElementChild.remove();
    if (wasAtEnd) list.scrollTop = list.scrollHeight;
  }
}
