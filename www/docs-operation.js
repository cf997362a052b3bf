/** docs-operation.js - one operation of the API as a piece of the page. */
import { exampleOf, fields, resolve, rules, typeName, whoMay } from "./docs-schema.js";
import { tryOut } from "./docs-try.js";
import { element } from "./element.js";

/** Code in backticks, **bold** and [links](/to) of a line. */
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\((?:\/|https:\/\/)[^)]*\))/).map((part) => {
    const link = part.match(/^\[([^\]]+)\]\(([^)]+)\)$/);
    if (link) return element("a", { href: link[2] }, link[1]);
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    return part.startsWith("**") ? element("b", {}, part.slice(2, -2)) : part;
  });
}

/** Paragraphs of a description. */
export function markdown(text) {
  const paragraphs = (text ?? "").trim().split(/\n\s*\n/).filter(Boolean);
  return element("div", { className: "markdown" }, ...paragraphs.map((one) => element("p", {}, ...inline(one.replaceAll("\n", " ")))));
}

const titled = (title, ...children) => element("section", {}, element("h4", {}, title), ...children);
const example = (value) => element("pre", { tabIndex: 0 }, typeof value === "string" ? value : JSON.stringify(value, null, 2));

/** [{name, note?, isNeeded, type, rules, description, depth?}] */
function list(rows) {
  return element("dl", { className: "fields" }, ...rows.map((row) => {
    const term = element("dt", {}, row.name, row.isNeeded ? element("span", { className: "needed", title: "needed" }, " *") : null,
      row.note ? element("small", {}, row.note) : null);
    term.style.setProperty("--depth", String(row.depth ?? 0));
    const facts = [row.type, row.rules].filter(Boolean).join("; ");
    return element("div", {}, term, element("dd", {}, facts ? element("span", { className: "type" }, facts) : null,
      facts && row.description ? element("br") : null, ...inline(row.description ?? "")));
  }));
}

function parameters(api, operation) {
  const rows = (operation.parameters ?? []).map((reference) => {
    const parameter = resolve(api, reference);
    const schema = parameter.schema ?? Object.values(parameter.content ?? {})[0]?.schema ?? {};
    return { name: parameter.name, note: parameter.in, isNeeded: parameter.required, type: typeName(api, schema), rules: rules(api, schema),
      description: parameter.description ?? resolve(api, schema).description ?? "" };
  });
  return rows.length ? titled("Parameters", list(rows)) : null;
}

/** A body: of which type, which fields, and how it looks. */
function content(api, all, isAnswer = false) {
  return Object.entries(all ?? {}).flatMap(([type, media]) => {
    const rows = (media.schema ? fields(api, media.schema) : []).map((row) => ({ ...row, isNeeded: row.isNeeded && !isAnswer }));
    const shown = exampleOf(media);
    return [
      element("p", { className: "hint" }, element("code", {}, type === "*/*" ? "any type" : type)),
      rows.length ? list(rows) : null,
      shown === undefined ? null : example(shown),
    ];
  });
}

function body(api, operation) {
  return operation.requestBody ? titled("Body", ...content(api, operation.requestBody.content)) : null;
}

const codesOf = (response) => response.content?.["application/problem+json"]?.schema?.allOf?.[1]?.properties?.code?.enum ?? [];

function problemRows(api, codes) {
  return list(codes.map((code) => ({ name: code, description: api["x-problem-codes"][code] })));
}

function headers(api, response) {
  const rows = Object.entries(response.headers ?? {}).map(([name, header]) => {
    const found = resolve(api, header);
    return { name, description: found.description ?? typeName(api, found.schema) };
  });
  return rows.length ? list(rows) : null;
}

function answer(api, status, reference) {
  const response = resolve(api, reference);
  const codes = codesOf(response);
  const isRefusal = Number(status) >= 400;
  const inside = codes.length ? [problemRows(api, codes)] : content(api, response.content, true);
  return element("details", { className: isRefusal ? "answer refusal" : "answer", open: !isRefusal },
    element("summary", {}, element("b", {}, status), response.description),
    element("div", {}, ...inside, isRefusal && codes.length ? null : headers(api, response)));
}

function answers(api, operation) {
  return titled("Answers", element("div", { className: "answers" },
    ...Object.entries(operation.responses).map(([status, response]) => answer(api, status, response))));
}

function pathOf(operation) {
  return element("span", { className: "path" },
    ...operation.path.split(/(\{[^}]+\})/).map((part) => (part.startsWith("{") ? element("i", {}, part) : part)));
}

/** Its inside is made when it is first opened: there are many. */
export function operationView(api, operation, credential) {
  const view = element("details", { className: `operation ${operation.method}`, id: operation.operationId },
    element("summary", {}, element("span", { className: "method" }, operation.method.toUpperCase()), pathOf(operation),
      element("span", { className: "title" }, operation.summary)));
  view.addEventListener("toggle", () => {
    if (!view.open || view.childElementCount > 1) return;
    view.append(element("div", { className: "inside" },
      markdown(operation.description),
      element("p", { className: "who" }, whoMay(operation), ".", element("a", { href: `#${operation.operationId}` }, "Link to this")),
      parameters(api, operation), body(api, operation), answers(api, operation),
      operation["x-served-by"] ? null : tryOut(api, operation, credential)));
  });
  return view;
}
