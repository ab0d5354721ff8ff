"""Kernel calls become a WebAssembly module: memory layout, descriptors, code; linked or standalone."""
