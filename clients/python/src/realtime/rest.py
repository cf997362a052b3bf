"""The REST API: JSON in, JSON out, a RealtimeError for what the server refuses."""

from __future__ import annotations

import json as json_module
import ssl as tls
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from . import http
from .credentials import Credentials
from .errors import RealtimeError


def http_origin(url: str) -> str:
    """The scheme and host of the web server that serves a WebSocket or HTTP address."""
    parts = urlsplit(url)
    schemes = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"not an address of WebSocket or HTTP: {url!r}")
    return f"{schemes[parts.scheme]}://{parts.netloc}"


class RestClient:
    """Paths are the server's, "/realtime/…". Every request has a connection of its own."""

    def __init__(
        self,
        base_url: str,
        *,
        credentials: Credentials | None = None,
        ssl: tls.SSLContext | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._origin = http_origin(base_url)
        self._credentials = credentials or Credentials()
        self._ssl, self._timeout = ssl, timeout

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The answer's JSON; None if it has no body."""
        fields = dict(headers or {})
        body = None
        if json is not None:
            body = json_module.dumps(json, ensure_ascii=False).encode()
            fields.setdefault("Content-Type", "application/json")
        elif method in ("POST", "PUT", "PATCH"):
            body = b""
        if params:
            present = {name: value for name, value in params.items() if value is not None}
            path += ("&" if "?" in path else "?") + urlencode(present, quote_via=quote)
        return _json(*await self._exchange(method, path, fields, body))

    async def download(self, address: str) -> bytes:
        """A file that a message names by its url. Credentials go to our own server alone."""
        status, _, body, retry_after = await self._exchange("GET", address, {}, None)
        if status >= 300:
            raise RealtimeError.from_problem(status, _parsed(body), retry_after)
        return body

    async def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> tuple[int, str, bytes, str | None]:
        address = urljoin(self._origin + "/", path)
        if http_origin(address) == self._origin:
            headers = {**await self._credentials.headers(), **headers}
        try:
            async with http.request(
                method, address, headers=headers, body=body, ssl=self._ssl, timeout=self._timeout
            ) as answer:
                content_type = answer.headers.get("content-type", "")
                retry_after = answer.headers.get("retry-after")
                content = await answer.read(idle_timeout=self._timeout)
                return answer.status, content_type, content, retry_after
        except OSError as error:
            detail = f"{self._origin} does not answer: {error or type(error).__name__}"
            raise RealtimeError("unreachable", detail) from error

    async def get(self, path: str, **options: Any) -> Any:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Any:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> Any:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> Any:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> Any:
        return await self.request("DELETE", path, **options)


def _parsed(body: bytes) -> object:
    try:
        return json_module.loads(body) if body else None
    except ValueError:
        return None


def _json(status: int, content_type: str, body: bytes, retry_after: str | None) -> Any:
    value = _parsed(body)
    if status >= 300:
        raise RealtimeError.from_problem(status, value, retry_after)
    if body and value is None and body.strip() != b"null":
        raise RealtimeError("bad_answer", f"the answer is no JSON but {content_type or 'untyped'}")
    return value
