"""Who we are: a token or an API key, and how each is shown to the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .errors import RealtimeError

TokenSource = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that gives a fresh one each time it is called."""


class Credentials:
    """They travel in the Authorization header, never in an address, which would be logged."""

    def __init__(self, token: TokenSource | None = None, api_key: str | None = None) -> None:
        if token is not None and api_key is not None:
            raise ValueError("give a token or an API key, not both")
        self._token, self._api_key = token, api_key

    @property
    def can_refresh(self) -> bool:
        return callable(self._token)

    async def token(self) -> str | None:
        if not callable(self._token):
            return self._token or self._api_key
        try:
            token: str | Awaitable[str] = self._token()
            return token if isinstance(token, str) else await token
        except Exception as error:
            raise RealtimeError("no_token", f"the token function failed: {error}") from error

    async def headers(self) -> dict[str, str]:
        if self._api_key is not None:
            return {"Authorization": f"ApiKey {self._api_key}"}
        token = await self.token()
        return {"Authorization": f"Bearer {token}"} if token else {}
