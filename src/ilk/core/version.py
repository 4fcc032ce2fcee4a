"""The version, where every part can read it without importing the whole."""

VERSION = "0.1.0"
