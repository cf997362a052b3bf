from realtime.clients import (
    SignalingClient,
    SSEClient,
    WSClient,
    create_authenticated_client,
    create_sse_client,
)

__all__ = [
    "SSEClient",
    "SignalingClient",
    "WSClient",
    "create_authenticated_client",
    "create_sse_client",
]
