"""Requests over HTTP, each on a connection of its own, and what comes back."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

SDP = {"Content-Type": "application/sdp"}


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def fields(self) -> list[str]:
        return [error["pointer"] for error in self.json.get("errors", [])]


def ask(port: int, method: str, path: str, body: object = None, headers: dict[str, str] | None = None,
        timeout_s: float = 20) -> Answer:
    """A body that is neither bytes nor text goes as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    headers = dict(headers or {})
    if body is not None and not isinstance(body, (bytes, str)):
        body = json.dumps(body)
        headers.setdefault("Content-Type", "application/json")
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def pages(get: Callable[[str], Answer], path: str, parameter: str = "cursor") -> Iterator[dict]:
    """Each page of a list, to the one that no other follows; `path` has a query."""
    at = path
    while True:
        answer = get(at)
        assert answer.status == 200, answer.body
        yield answer.json
        if answer.json["next"] is None:
            return
        at = f"{path}&{parameter}={quote(str(answer.json['next']), safe='')}"
