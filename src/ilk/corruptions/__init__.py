"""What goes wrong with images: noise, blur, weather and digital damage, five severities."""

from ilk.corruptions.corrupt import COMMON, CORRUPTIONS, EXTRA, SEVERITIES, corrupt

__all__ = ["COMMON", "CORRUPTIONS", "EXTRA", "SEVERITIES", "corrupt"]
