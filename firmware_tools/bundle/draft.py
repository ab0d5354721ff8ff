"""A bundle that nobody has written down: a sealed head in memory, and its files wherever they are.

It is sent like any other, and the device checks it like any other. For whoever builds one every few seconds and sends
only what has changed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO

from edge_sdk.errors import TransferError
from firmware_tools.bundle.manifest import FileEntry, Manifest, encode_manifest
from firmware_tools.bundle.reader import Bundle
from firmware_tools.bundle.writer import Content
from firmware_tools.sign import BUNDLE, PrivateKey, read_sealed, seal


class Draft(Bundle):
    """A `Bundle` for sending: it has a head and single files, and no payload that could be verified or extracted.

    with Draft(*prepare(order, workshop), keys) as bundle:
        bundle.open_file(bundle.manifest.files[0])
    """

    def __init__(self, manifest: Manifest, contents: Sequence[Content], keys: Sequence[PrivateKey]) -> None:
        size = sum(entry.size for entry in manifest.files)
        head = io.BytesIO(seal(BUNDLE, encode_manifest(manifest), keys, size))
        super().__init__(head, manifest.name, read_sealed(head, BUNDLE, manifest.name, head_only=True), ())
        self._sources = {content.path: content.source for content in contents}

    def open_file(self, entry: FileEntry) -> BinaryIO:
        """Return one file as it is now; its hash is the reader's affair.

        Raises:
            TransferError: it cannot be read any more.
        """
        source = self._sources[entry.path]
        if isinstance(source, bytes):
            return io.BytesIO(source)
        try:
            return source.open("rb")
        except OSError as fault:
            raise TransferError(f"{source}: cannot be read: {fault.strerror}") from fault
