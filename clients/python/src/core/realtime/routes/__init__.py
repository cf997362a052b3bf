from realtime.routes import webrtc_rooms

__all__ = ["webrtc_rooms"]
