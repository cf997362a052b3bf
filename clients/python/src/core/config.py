"""The settings, under the name by which some code knows them."""

from realtime.config import Settings, get_settings

__all__ = ["Settings", "get_settings"]
