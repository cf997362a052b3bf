/** docs.js - the reference of the REST API, made of /realtime/openapi.json. #operationId opens one. */
import { markdown, operationView } from "./docs-operation.js";
import { groups } from "./docs-schema.js";
import { element } from "./element.js";

const byId = (id) => document.getElementById(id);
const credential = () => byId("credential").value.trim();

function contentsLink(operation) {
  return element("a", { href: `#${operation.operationId}`, className: operation.method },
    element("span", { className: "method" }, operation.method === "delete" ? "DEL" : operation.method.toUpperCase()), operation.summary);
}

function show(api) {
  byId("introduction").append(markdown(api.info.description));
  for (const { tag, operations } of groups(api)) {
    byId("contents").append(element("section", {}, element("h3", {}, tag.name), ...operations.map(contentsLink)));
    const about = markdown(tag.description);
    about.classList.add("about");
    byId("operations").append(element("section", { className: "group" }, element("h2", {}, tag.name), about,
      ...operations.map((operation) => operationView(api, operation, credential))));
  }
}

/** Open what the address names. */
function follow() {
  const id = decodeURIComponent(location.hash.slice(1));
  const view = id && document.getElementById(id);
  for (const link of document.querySelectorAll(".contents a")) link.toggleAttribute("aria-current", link.hash === location.hash);
  if (!view || !view.classList.contains("operation")) return;
  view.open = true;
  view.scrollIntoView();
}

/** Each word must be in the method, the path, the name or the summary. */
function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const isWanted = (view) => words.every((word) => `${view.id} ${view.querySelector("summary").textContent}`.toLowerCase().includes(word));
  let found = 0;
  for (const group of document.querySelectorAll(".group")) {
    const views = [...group.querySelectorAll(".operation")];
    for (const view of views) {
      view.hidden = !isWanted(view);
      document.querySelector(`.contents a[href="#${view.id}"]`).hidden = view.hidden;
    }
    group.hidden = views.every((view) => view.hidden);
    found += views.filter((view) => !view.hidden).length;
  }
  for (const section of document.querySelectorAll("#contents section")) {
    section.hidden = [...section.querySelectorAll("a")].every((link) => link.hidden);
  }
  document.querySelector(".contents").classList.toggle("searching", words.length > 0);
  byId("nothing").hidden = found > 0;
}

async function load() {
  const answer = await fetch("/realtime/openapi.json");
  if (!answer.ok) throw new Error(`the server says ${answer.status}`);
  return answer.json();
}

byId("filter").addEventListener("input", filter);
byId("credential").addEventListener("input", () => dispatchEvent(new Event("credential")));
addEventListener("hashchange", follow);
try {
  show(await load());
  follow();
} catch (error) {
  byId("problem").textContent = `The description of the API could not be fetched: ${error.message}. Load the page again when realtime-api runs.`;
  byId("problem").hidden = false;
}
