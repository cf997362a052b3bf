from realtime.auth import WSAuthenticator

__all__ = ["WSAuthenticator"]
