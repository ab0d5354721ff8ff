"""The device's side of an update: slots, the switch between them, and the judgement of a new version.

Everything here runs on the device (or on a folder that stands for one) and decides without the operator: who flashes
may vanish at any moment. `python3 -m firmware_tools.update --help` is its command line.
"""
