"""Bundles: a pipeline, its models and all they need, in one file that is the same whenever it is built.

with read_bundle(Path("app.edgeb"), TrustStore(folder), device) as bundle:
    bundle.extract(Path("slot"))
"""

from firmware_tools.bundle.manifest import FileEntry, Golden, Health, Manifest
from firmware_tools.bundle.reader import Bundle, inspect_bundle, read_bundle
from firmware_tools.bundle.requires import Device, check_requires

__all__ = [
    "Bundle",
    "Device",
    "FileEntry",
    "Golden",
    "Health",
    "Manifest",
    "check_requires",
    "inspect_bundle",
    "read_bundle",
]
