"""Software for boards: signed bundles and the keys they are trusted by. Flashing and updates come on top of it.

Sees floors 1 and 2 of edge_sdk only: what needs the engine runs as a child process of its command line.
"""
