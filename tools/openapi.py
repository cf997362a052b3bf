#!/usr/bin/python3
"""Put api/openapi/*.yaml together: the OpenAPI document as JSON, or as the C source that is built into realtime-api.
api/openapi/README.md says what is shortened there."""

from __future__ import annotations

import argparse
import hashlib
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "api" / "openapi"
METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
# As core/problem.c has them, where HTTPStatus says it otherwise.
TITLES = {401: "Authentication required", 413: "Content too large", 416: "Range not satisfiable", 460: "Checksum mismatch"}
SCHEMES = ("bearer", "apiKey", "authorizationApiKey")


class Fault(Exception):
    """The files say something that cannot be; the text says what and where."""


def load(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def merge(into: dict[str, Any], more: dict[str, Any], where: str) -> None:
    """`more` over `into`, which must not have it yet; folders of names are joined."""
    for name, value in more.items():
        if name in into and name in ("paths", "components", "schemas", "parameters", "headers", "responses"):
            merge(into[name], value, f"{where}/{name}")
        elif name in into:
            raise Fault(f"{where}/{name} is there twice")
        else:
            into[name] = value


def reference(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


# ---- what an operation is written as ----


def expand_headers(headers: list[str | dict[str, str]]) -> dict[str, Any]:
    """["ETag", {"Location": "Of one file"}]"""
    result: dict[str, Any] = {}
    for header in headers:
        if isinstance(header, str):
            result[header] = reference("headers", header)
        else:
            (name, description), = header.items()
            result[name] = {"description": description, "schema": {"type": "string"}}
    return result


def json_content(schema: str, source: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": reference("schemas", schema)}
    for name in ("example", "examples"):
        if name in source:
            content[name] = source[name]
    return {"application/json": content}


def expand_response(response: dict[str, Any]) -> dict[str, Any]:
    result = {name: value for name, value in response.items()
              if name not in ("schema", "example", "examples", "headers")}
    if "headers" in response:
        result["headers"] = expand_headers(response["headers"])
    if "schema" in response:
        result["content"] = json_content(response["schema"], response)
    return result


def title(status: int) -> str:
    return TITLES.get(status) or HTTPStatus(status).phrase.capitalize()


def problem(status: int, codes: list[str]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": title(status),
        "content": {"application/problem+json": {"schema": {
            "allOf": [reference("schemas", "Problem"),
                      {"properties": {"status": {"const": status}, "code": {"enum": codes}}}]}}},
    }
    if status == 401:
        response["headers"] = expand_headers(["WWW-Authenticate"])
    if status in (429, 503):
        response["headers"] = expand_headers(["Retry-After"])
    return response


class Problems:
    def __init__(self, source: dict[str, Any]) -> None:
        # One status; or, of a code that stands for several faults, a list.
        self.statuses: dict[str, list[int]] = {code: status if isinstance(status, list) else [status]
                                               for code, (status, _) in source["codes"].items()}
        self.meanings = {code: meaning for code, (_, meaning) in source["codes"].items()}
        self.groups = source["groups"]

    def codes(self, names: list[str], where: str) -> list[str]:
        """Groups are opened; each code once, in the order of problems.yaml."""
        wanted: set[str] = set()
        for name in names:
            wanted |= set(self.groups.get(name, [name]))
        if unknown := wanted - self.statuses.keys():
            raise Fault(f"{where}: problems.yaml does not have {', '.join(sorted(unknown))}")
        return [code for code in self.statuses if code in wanted]

    def responses(self, names: list[str], where: str) -> dict[str, Any]:
        by_status: dict[int, list[str]] = {}
        for code in self.codes(names, where):
            for status in self.statuses[code]:
                by_status.setdefault(status, []).append(code)
        return {str(status): problem(status, by_status[status]) for status in sorted(by_status)}


def security(access: str) -> list[dict[str, list[str]]]:
    """The role is the right that is needed by itself; {}: nothing needs to be shown."""
    roles = ["admin"] if access == "admin" else []
    anybody: list[dict[str, list[str]]] = [{}] if access in ("public", "read") else []
    return anybody + [{scheme: roles} for scheme in SCHEMES]


def implied_problems(method: str, path: str, access: str) -> list[str]:
    names = ["always"]
    if method not in ("get", "head", "options"):
        names.append("changes")
    if path.startswith("/realtime/webrtc/") and path != "/realtime/webrtc/health":
        names.append("webrtc")
    if access != "public":
        names.append(access)
    return names


def path_parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def expand_operation(path: str, method: str, source: dict[str, Any], problems: Problems) -> dict[str, Any]:
    where = f"{method.upper()} {path}"
    if "x-served-by" in source:
        return source | {"security": security("public")}
    access = source["x-access"]
    operation = {name: source[name] for name in ("operationId", "tags", "summary", "description", "x-access") if name in source}
    operation["security"] = security(access)
    parameters = path_parameters(path) + source.get("parameters", [])
    if parameters:
        operation["parameters"] = [reference("parameters", one) if isinstance(one, str) else one for one in parameters]
    if "body" in source:
        operation["requestBody"] = {"required": True, "content": json_content(source["body"], source)}
    elif "requestBody" in source:
        operation["requestBody"] = source["requestBody"]
    responses = {status: expand_response(response) for status, response in source["responses"].items()}
    told = problems.responses(implied_problems(method, path, access) + source.get("problems", []), where)
    operation["responses"] = dict(sorted((told | responses).items()))
    return operation


# ---- the whole ----


def add_request_ids(document: dict[str, Any]) -> None:
    for response in [*document["components"].get("responses", {}).values(),
                     *(response for item in document["paths"].values() for operation in item.values()
                       if "x-served-by" not in operation for response in operation["responses"].values())]:
        if "$ref" not in response:
            response.setdefault("headers", {})["X-Request-Id"] = reference("headers", "X-Request-Id")


def build(version: str) -> dict[str, Any]:
    document = load(FOLDER / "document.yaml")
    document["info"]["version"] = version
    problems = Problems(load(FOLDER / "problems.yaml"))
    document["x-problem-codes"] = problems.meanings
    document["paths"] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        if path.name not in ("document.yaml", "problems.yaml"):
            merge(document, load(path), path.name)
    shared = document["components"].get("responses", {})
    document["components"]["responses"] = {name: expand_response(response) for name, response in shared.items()}
    document["paths"] = {
        path: {method: expand_operation(path, method, item[method], problems) for method in METHODS if method in item}
        for path, item in document["paths"].items()}
    # Anchors share what they name; from here on each has its own.
    document = json.loads(json.dumps(document))
    add_request_ids(document)
    return document


def as_c(text: bytes) -> str:
    lines = (", ".join(str(byte) for byte in text[at:at + 24]) for at in range(0, len(text), 24))
    return ("/* Made by tools/openapi.py of api/openapi. */\n"
            '#include "api/openapi.h"\n\n'
            f'const char openapi_etag[] = "\\"{hashlib.sha256(text).hexdigest()[:32]}\\"";\n'
            f"const size_t openapi_length = {len(text)};\n"
            "const char openapi_document[] = {\n\t" + ",\n\t".join(lines) + ", 0};\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", default="0.0.0", help="what it says of itself")
    parser.add_argument("--c", type=Path, metavar="FILE", help="write the C source there instead of JSON to the standard output")
    arguments = parser.parse_args()
    try:
        document = build(arguments.version)
    except (Fault, KeyError, yaml.YAMLError) as fault:
        raise SystemExit(f"openapi.py: {type(fault).__name__}: {fault}") from fault
    if arguments.c:
        arguments.c.write_text(as_c(json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode()))
    else:
        print(json.dumps(document, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
