from realtime.models import BinaryMessage, ChannelMessage, Message, ServerEvent, WebRTCRoom

__all__ = ["BinaryMessage", "ChannelMessage", "Message", "ServerEvent", "WebRTCRoom"]
