"""Clients of the server's connections."""

from .signaling_client import SignalingClient
from .sse_client import SSEClient, create_sse_client
from .ws_client import WSClient, create_authenticated_client

__all__ = [
    "SSEClient",
    "SignalingClient",
    "WSClient",
    "create_authenticated_client",
    "create_sse_client",
]
