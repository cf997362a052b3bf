"""Live messaging and calls: the Python client. See README.md; `core.realtime` is the same."""

from .auth import WSAuthenticator
from .backoff import Backoff
from .clients import (
    SignalingClient,
    SSEClient,
    WSClient,
    create_authenticated_client,
    create_sse_client,
)
from .config import Settings, get_settings
from .errors import RealtimeError
from .models import BinaryMessage, ChannelMessage, Message, ServerEvent, WebRTCRoom
from .rest import RestClient

__all__ = [
    "Backoff",
    "BinaryMessage",
    "ChannelMessage",
    "Message",
    "RealtimeError",
    "RestClient",
    "SSEClient",
    "ServerEvent",
    "Settings",
    "SignalingClient",
    "WSAuthenticator",
    "WSClient",
    "WebRTCRoom",
    "create_authenticated_client",
    "create_sse_client",
    "get_settings",
]
