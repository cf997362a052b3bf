/** docs-schema.js - what an OpenAPI document says, for reading: references followed, schemas as flat lists of fields. No DOM. */

const DEPTH_MAX = 3;

/** What "$ref": "#/components/…" stands for, here and nowhere else. */
export function resolve(document, value) {
  if (!value?.$ref) return value;
  return value.$ref.slice(2).split("/").reduce((at, name) => at?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], document);
}

/** A schema with the parts of its `allOf` put together. */
export function flatten(document, schema) {
  const own = resolve(document, schema) ?? {};
  return (own.allOf ?? []).map((part) => flatten(document, part)).reduce(
    (all, part) => ({
      ...all,
      ...part,
      description: all.description ?? part.description,
      properties: { ...all.properties, ...part.properties },
      required: [...(all.required ?? []), ...(part.required ?? [])],
    }),
    own,
  );
}

const withoutNull = (types) => types.filter((type) => type !== "null");

/** "whole number", "text or null", "list of text". */
export function typeName(document, schema) {
  const flat = flatten(document, schema);
  const words = { integer: "whole number", string: "text", boolean: "true or false", object: "object", number: "number" };
  if ("const" in flat) return JSON.stringify(flat.const);
  if (flat.enum) return flat.enum.map((value) => JSON.stringify(value)).join(", ");
  const types = [flat.type ?? (flat.properties && Object.keys(flat.properties).length ? "object" : [])].flat();
  const names = withoutNull(types).map((type) =>
    type === "array" ? `list of ${typeName(document, flat.items ?? {})}` : (words[type] ?? type));
  if (!names.length) return "any JSON";
  return names.join(" or ") + (types.includes("null") ? " or null" : "");
}

/** "1 to 200 characters, by default 50". */
export function rules(document, schema) {
  const flat = flatten(document, schema);
  const said = [];
  const range = (low, high, unit) => {
    if (low !== undefined && high !== undefined) said.push(`${low} to ${high}${unit}`);
    else if (low) said.push(`at least ${low}${unit}`);
    else if (high !== undefined) said.push(`at most ${high}${unit}`);
  };
  range(flat.minLength, flat.maxLength, " characters");
  range(flat.minimum, flat.maximum, "");
  range(flat.minItems, flat.maxItems, " of them");
  if (flat.pattern) said.push(flat.pattern);
  if (flat.contentEncoding) said.push(`in ${flat.contentEncoding}`);
  if (flat.default !== undefined) said.push(`${JSON.stringify(flat.default)} if it is absent`);
  return said.join("; ");
}

/** The fields of a schema, those of its objects and lists behind them and deeper. */
export function fields(document, schema, depth = 0) {
  const flat = flatten(document, schema);
  if (flat.oneOf && !Object.keys(flat.properties ?? {}).length) return fields(document, flat.oneOf[0], depth);
  if (flat.type === "array") return fields(document, flat.items ?? {}, depth);
  return Object.entries(flat.properties ?? {}).flatMap(([name, property]) => {
    const inner = flatten(document, property);
    const below = inner.type === "array" ? flatten(document, inner.items ?? {}) : inner;
    return [
      {
        name,
        depth,
        isNeeded: flat.required?.includes(name) ?? false,
        type: typeName(document, property),
        rules: rules(document, property),
        description: resolve(document, property).description ?? inner.description ?? "",
      },
      ...(depth < DEPTH_MAX && below.properties ? fields(document, below, depth + 1) : []),
    ];
  });
}

/** The example to show: the one, or the first of several. */
export function exampleOf(media) {
  if (!media) return undefined;
  if (media.example !== undefined) return media.example;
  return Object.values(media.examples ?? {})[0]?.value;
}

/** All operations, in the order of the tags: [{tag, operations: [{method, path, …}]}]. */
export function groups(document) {
  const operations = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ ...operation, method, path })));
  return document.tags
    .map((tag) => ({ tag, operations: operations.filter((operation) => operation.tags.includes(tag.name)) }))
    .filter((group) => group.operations.length);
}

/** Who may, in words. */
export function whoMay(operation) {
  if (operation["x-served-by"]) return `Served by ${operation["x-served-by"]}`;
  return {
    public: "Anybody may ask; what it is about may need more",
    read: "Whoever may connect (with WEBSOCKET_AUTH_REQUIRED: a token or key)",
    publish: "Needs a token or key",
    admin: "Needs the right admin",
  }[operation["x-access"]];
}
