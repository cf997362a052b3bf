"""The name under which some code knows the package `realtime`; the classes are the same."""

from realtime import (
    Backoff,
    BinaryMessage,
    ChannelMessage,
    Message,
    RealtimeError,
    RestClient,
    ServerEvent,
    Settings,
    SignalingClient,
    SSEClient,
    WebRTCRoom,
    WSAuthenticator,
    WSClient,
    create_authenticated_client,
    create_sse_client,
    get_settings,
)

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
