"""Tokens as an application's server would sign them, and how they are shown."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

SECRET = "the secret of these tests, 32 bytes and more"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token_of(sub: str, lasts_s: float = 3600, *, secret: str = SECRET, alg: str = "HS256", **claims: object) -> str:
    head = base64url(json.dumps({"alg": alg, "typ": "JWT"}).encode())
    body = base64url(json.dumps({"sub": sub, "exp": time.time() + lasts_s, **claims}).encode())
    signed = f"{head}.{body}"
    if alg == "none":
        return signed + "."
    return signed + "." + base64url(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}
