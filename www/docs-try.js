/** docs-try.js - send a request of an operation from the page, and the same as a curl line. */
import { exampleOf, resolve } from "./docs-schema.js";
import { element } from "./element.js";

const SHOWN_MAX = 20_000;

/** The parameters that a person may want to give; a browser sets other headers by itself. */
const askedFor = (api, operation) =>
  (operation.parameters ?? []).map((reference) => resolve(api, reference)).filter((one) => one.in !== "header" || /^(If-|Tus-|Upload-|Range)/.test(one.name));

function firstBody(operation) {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  return { type: type === "*/*" ? "text/plain" : type, media };
}

/** Values by name as a request: {url, headers, body}. */
export function compose(api, operation, values, body) {
  const query = new URLSearchParams();
  const headers = {};
  let path = operation.path;
  for (const parameter of askedFor(api, operation)) {
    const value = values[parameter.name] ?? "";
    if (parameter.in === "path") path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    else if (value && parameter.in === "query") query.append(parameter.name, value);
    else if (value) headers[parameter.name] = value;
  }
  const { type } = firstBody(operation);
  if (type && body) headers["Content-Type"] = type;
  return { url: path + (query.size ? `?${query}` : ""), headers, body: type && body ? body : undefined };
}

const quote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What to type into a shell. The credential is not shown: it would end up in a history. */
export function curlLine(origin, method, request, hasCredential) {
  const words = ["curl"];
  if (method !== "get") words.push("-X", method.toUpperCase());
  if (hasCredential) words.push("-H", '"X-API-Key: $KEY"');
  for (const [name, value] of Object.entries(request.headers)) words.push("-H", quote(`${name}: ${value}`));
  if (request.body) words.push("--data-binary", quote(request.body));
  words.push(quote(origin + request.url));
  return words.join(" ");
}

async function send(method, request, key) {
  const headers = key ? { ...request.headers, "X-API-Key": key } : request.headers;
  const started = performance.now();
  const answer = await fetch(request.url, { method: method.toUpperCase(), headers, body: request.body, cache: "no-store" });
  const text = await answer.text();
  const lines = [`${answer.status} ${answer.statusText} in ${Math.round(performance.now() - started)} ms`];
  for (const [name, value] of answer.headers) {
    if (!name.startsWith("access-control-")) lines.push(`${name}: ${value}`);
  }
  return `${lines.join("\n")}\n\n${pretty(answer.headers.get("Content-Type") ?? "", text).slice(0, SHOWN_MAX)}`;
}

function pretty(type, text) {
  try {
    return /json/.test(type) ? JSON.stringify(JSON.parse(text), null, 2) : text;
  } catch {
    return text;
  }
}

function inputOf(parameter) {
  const input = element("input", { name: parameter.name, spellcheck: false, autocomplete: "off", required: parameter.required ?? false });
  if (parameter.in === "path" && parameter.example) input.value = parameter.example;
  if (parameter.schema?.const) input.value = parameter.schema.const;
  return element("label", {}, parameter.name, input);
}

/** @param {() => string} credential what is typed into the page's field now */
export function tryOut(api, operation, credential) {
  const { type, media } = firstBody(operation);
  const inputs = askedFor(api, operation).map(inputOf);
  const shown = exampleOf(media);
  const isForm = type === "multipart/form-data";
  const body = element("textarea", { spellcheck: false, value: shown === undefined ? "" : JSON.stringify(shown, null, 2) });
  const curl = element("pre", { tabIndex: 0, className: "curl" });
  const answer = element("pre", { tabIndex: 0, className: "try-answer", hidden: true });
  const button = element("button", { type: "submit", className: "primary" }, "Send");
  const form = element("form", {}, inputs.length ? element("div", { className: "inputs" }, ...inputs) : null,
    type && !isForm ? element("label", {}, `Body, ${type}`, body) : null,
    isForm ? null : element("div", { className: "row" }, button, element("span", { className: "hint" }, "or by hand:")), curl, answer);
  const request = () => compose(api, operation, Object.fromEntries([...new FormData(form)]), body.value);
  const tell = () => {
    curl.textContent = isForm ? `curl -F file=@image.png -F channel=general ${quote(location.origin + operation.path)}`
      : curlLine(location.origin, operation.method, request(), credential() !== "");
  };
  form.addEventListener("input", tell);
  addEventListener("credential", tell);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    answer.hidden = false;
    answer.textContent = "…";
    try {
      answer.textContent = await send(operation.method, request(), credential());
    } catch (error) {
      answer.textContent = `The request did not get through: ${error.message}`;
    }
    button.disabled = false;
  });
  tell();
  return element("section", { className: "try" }, element("h4", {}, "Try it"), form);
}
