"""The command line `edge-sdk`: one module per verb, named in the table of `main.py`."""
