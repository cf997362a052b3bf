"""The OpenAPI document as a judge: is this answer one that the operation says it gives? And what would a bad request
of it look like?"""

from __future__ import annotations

import copy
import re
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from answer import Answer
from tools import openapi

# Headers that mean something to a client: an answer that has one must say so.
TELLING = ("etag", "location", "content-location", "retry-after", "www-authenticate", "accept-ranges", "content-range",
           "content-disposition", "x-request-id")


@dataclass
class Operation:
    id: str
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        return "x-served-by" not in self.spec

    @property
    def statuses(self) -> list[int]:
        return [int(status) for status in self.spec["responses"]]


@dataclass
class Contract:
    document: dict[str, Any] = field(default_factory=lambda: openapi.build("test"))
    seen: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.operations = {
            spec["operationId"]: Operation(spec["operationId"], method.upper(), path, spec)
            for path, item in self.document["paths"].items() for method, spec in item.items()}

    def resolve(self, value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        found = self.document
        for name in value["$ref"][2:].split("/"):
            found = found[name]
        return found

    def parameters(self, operation: Operation, place: str) -> list[dict[str, Any]]:
        every = [self.resolve(one) for one in operation.spec.get("parameters", [])]
        return [one for one in every if one["in"] == place]

    def codes(self, operation: Operation, status: int) -> list[str]:
        content = self.resolve(operation.spec["responses"].get(str(status), {})).get("content", {})
        parts = content.get("application/problem+json", {}).get("schema", {}).get("allOf", [{}, {}])
        return parts[1].get("properties", {}).get("code", {}).get("enum", [])

    # ---- judging ----

    def judge(self, operation: Operation, answer: Answer) -> None:
        """AssertionError: it is not what the document says."""
        where = f"{operation.method} {operation.path} -> {answer.status} {answer.body[:300]!r}"
        assert str(answer.status) in operation.spec["responses"], f"{where}: the status is not documented"
        response = self.resolve(operation.spec["responses"][str(answer.status)])
        self.judge_headers(response, answer, where)
        self.judge_body(response, operation, answer, where)
        self.seen.add((operation.id, answer.status))

    def judge_headers(self, response: dict[str, Any], answer: Answer, where: str) -> None:
        documented = {name.lower(): header for name, header in response.get("headers", {}).items()}
        for name, header in documented.items():
            # One that is described where it stands depends on what was asked for.
            assert "$ref" not in header or name in answer.headers, f"{where}: {name} is missing"
            if name in answer.headers:
                jsonschema.validate(typed(answer.headers[name], self.resolve(header)["schema"]),
                                    self.resolve(header)["schema"], jsonschema.Draft202012Validator)
        for name in answer.headers:
            if name.lower() in TELLING or name.lower().startswith(("tus-", "upload-")):
                assert name.lower() in documented or answer.status >= 400, f"{where}: {name} is not documented"

    def judge_body(self, response: dict[str, Any], operation: Operation, answer: Answer, where: str) -> None:
        content = response.get("content")
        if content is None or operation.method == "HEAD":
            assert answer.body == b"", f"{where}: no body is documented"
            return
        given = answer.headers["Content-Type"].split(";")[0]
        media = content.get(given, content.get("*/*"))
        assert media is not None, f"{where}: {given} is not documented"
        if "json" in given and media.get("schema"):
            self.validate(answer.json, media["schema"], where)
        if given == "application/problem+json":
            assert answer.json["type"] == f"/problems/{answer.json['code']}", where
            assert answer.json.get("request_id", "") == answer.headers.get("X-Request-Id", ""), where

    def validate(self, value: object, schema: dict[str, Any], where: str) -> None:
        """Fields that are not documented are refused too."""
        errors = list(jsonschema.Draft202012Validator(self.closed(schema)).iter_errors(value))
        assert not errors, f"{where}: {errors[0].json_path}: {errors[0].message}"

    def closed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema without references, the parts of an allOf in one; its objects take no field that they do not name."""
        schema = self.resolve(schema)
        made: dict[str, Any] = {"properties": {}, "required": []}
        for part in [*(self.closed(part) for part in schema.get("allOf", [])), schema]:
            made |= {name: value for name, value in part.items() if name not in ("properties", "required", "allOf")}
            made["properties"] |= part.get("properties", {})
            made["required"] = made["required"] + part.get("required", [])
        made["properties"] = {name: self.closed(inner) for name, inner in made["properties"].items()}
        for name in ("items", "additionalProperties"):
            if isinstance(made.get(name), dict):
                made[name] = self.closed(made[name])
        if "oneOf" in made:
            made["oneOf"] = [self.closed(one) for one in made["oneOf"]]
        if made["properties"]:
            made.setdefault("additionalProperties", False)
        return made

    # ---- asking ----

    def example(self, operation: Operation) -> dict[str, Any]:
        media = operation.spec["requestBody"]["content"]["application/json"]
        found = media["example"] if "example" in media else next(iter(media["examples"].values()))["value"]
        return copy.deepcopy(found)

    def takes_json(self, operation: Operation) -> bool:
        return "application/json" in operation.spec.get("requestBody", {}).get("content", {})

    def fill(self, operation: Operation, values: dict[str, str]) -> str:
        """The path with its placeholders filled in: as given, or with the example."""
        path = operation.path
        for parameter in self.parameters(operation, "path"):
            value = values.get(parameter["name"], parameter["example"])
            path = path.replace("{%s}" % parameter["name"], urllib.parse.quote(value, safe=""))
        return path

    def properties(self, schema: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
        """Of an object: its fields, and which are needed."""
        schema = self.resolve(schema)
        fields, needed = dict(schema.get("properties", {})), set(schema.get("required", []))
        for part in schema.get("allOf", []):
            more, more_needed = self.properties(part)
            fields |= more
            needed |= more_needed
        return fields, needed

    def body_schema(self, operation: Operation) -> dict[str, Any]:
        return operation.spec["requestBody"]["content"]["application/json"]["schema"]

    def bad_bodies(self, operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
        """Bodies that break one rule of the schema, with the field that does."""
        fields, needed = self.properties(self.body_schema(operation))
        good = self.example(operation)
        for name in needed:
            yield name, {key: value for key, value in good.items() if key != name}
        for name, schema in fields.items():
            for bad in bad_values(self.resolve(schema)):
                yield name, without_rivals(good, name) | {name: bad}


# Of these a request has one at most; the one that is tried takes the place of the others.
RIVALS = ({"channel", "user_id", "connection_id"}, {"data", "text", "message"}, {"user_id", "peer_id"}, {"ttl", "expires_at"})


def without_rivals(body: dict[str, Any], name: str) -> dict[str, Any]:
    gone = set().union(*(rivals for rivals in RIVALS if name in rivals))
    return {key: value for key, value in body.items() if key not in gone}


def bad_values(schema: dict[str, Any]) -> list[object]:
    """What breaks each of its rules."""
    if "enum" in schema:
        return ["nonsense", 7]
    kinds = {"string": [7, {}], "integer": ["x", 1.5], "boolean": ["yes"], "object": ["x", []], "array": ["x", {}]}
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    values: list[object] = list(kinds.get(kind, []))
    if "maxLength" in schema:
        values.append("x" * (schema["maxLength"] + 1))
    if schema.get("minLength"):
        values.append("")
    if "pattern" in schema:
        values.append("no such thing!")
    if "minimum" in schema:
        values.append(schema["minimum"] - 1)
    if "maximum" in schema:
        values.append(schema["maximum"] + 1)
    if "maxItems" in schema:
        values.append(["opus"] * (schema["maxItems"] + 1))
    if "items" in schema:
        values.append([7])
    return values


def bad_texts(schema: dict[str, Any]) -> list[str]:
    """The same for a parameter, which is text."""
    kind = schema.get("type")
    values = {"integer": ["x", "1.5", "99999999999999999999"], "boolean": ["perhaps"]}.get(kind, [])
    if "minimum" in schema:
        values = [*values, str(schema["minimum"] - 1)]
    if "maximum" in schema:
        values = [*values, str(schema["maximum"] + 1)]
    if "pattern" in schema:
        values = [*values, "no such thing!"]
    return values


def typed(text: str, schema: dict[str, Any]) -> object:
    return int(text) if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", text) else text
