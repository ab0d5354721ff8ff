"""Bundles, signatures, flashing and updates. Empty until `edge-sdk flash` comes; the place is fixed."""
