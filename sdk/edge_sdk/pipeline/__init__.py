"""A pipeline runs: sources to steps to sinks, as one TOML file says.

with build(Path("pipeline.toml")) as pipeline:
    summary = Runner(pipeline, [MyObserver()]).run(duration_s=60)
"""

from edge_sdk.pipeline.build import Outlet, Pipeline, build, build_file
from edge_sdk.pipeline.runner import Observer, Runner, Summary
from edge_sdk.pipeline.stats import Snapshot

__all__ = ["Observer", "Outlet", "Pipeline", "Runner", "Snapshot", "Summary", "build", "build_file"]
