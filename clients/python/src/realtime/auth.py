"""Is this token or key good, and whose is it? The server is asked; nothing is checked here.

A client has no key to verify a signature with, and should have none. So each question opens a
connection, says the credential in an `auth` message, as any client may, and is told who that is.
"""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from .clients.ws_client import WSClient
from .errors import RealtimeError

DEFAULT_URL = "ws://localhost:8000/realtime/ws"
REFUSALS = frozenset(
    {
        "bad_token",
        "token_expired",
        "token_not_yet_valid",
        "bad_api_key",
        "bad_ticket",
        "bad_credentials",
        "authentication_required",
    }
)


class WSAuthenticator:
    """`url` is the server's WebSocket; without one, the environment's REALTIME_URL, or port 8000
    of this host. RealtimeError if the server cannot be asked: that says nothing of a credential."""

    def __init__(self, url: str | None = None, **options: Any) -> None:
        self.url = url or os.environ.get("REALTIME_URL") or DEFAULT_URL
        self._options = options

    async def verify_jwt_token(self, token: str) -> dict[str, Any] | None:
        """{user_id, expires_at (Unix ms or None), claims}, or None if it is not valid now."""
        if token.count(".") != 2:
            return None  # an API key, say, which the server would take as well
        known = await self._ask(token, "Bearer")
        return {**known, "claims": _claims(token)} if known else None

    async def verify_api_key(self, api_key: str) -> dict[str, Any] | None:
        """{user_id, expires_at}, or None if it is not valid now."""
        if "." in api_key:
            return None
        return await self._ask(api_key, "ApiKey")

    async def _ask(self, credential: str, scheme: str) -> dict[str, Any] | None:
        if not credential or not credential.isascii() or not credential.isprintable():
            return None
        options: dict[str, Any] = {"token": credential} if scheme == "Bearer" else {}
        if scheme == "ApiKey":
            options = {"api_key": credential}
        client = WSClient(self.url, **options, **self._options)
        try:
            async with client:
                answer = await client.request("auth", token=credential)
        except RealtimeError as error:
            if error.code in REFUSALS or error.close_code == 4401 or error.status == 401:
                return None
            raise
        return {"user_id": answer.get("user_id"), "expires_at": answer.get("expires_at")}


def _claims(token: str) -> dict[str, Any]:
    """Those of a token that the server has found to be good."""
    text = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return claims if isinstance(claims, dict) else {}
