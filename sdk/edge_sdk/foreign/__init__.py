"""Other runtimes, for models the sandbox refuses and for vendors' delegates: always in a process of their own.

`session` is the handle that users hold; `process` starts and reaps the child; `wire` is what the two say to each
other; `restarts` says how soon a child that died is started again; `probe` asks whether a runtime is there; `program`
is the child itself and knows nothing of edge-sdk.
"""
