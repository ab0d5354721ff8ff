"""A target whose device tree is a Jetson's is found by `--board jetson`, without naming it."""

from __future__ import annotations

from tests.target.checker import look
from tests.target.disk import DeviceTree
from tests.target.flashing import flash
from tests.target.gateway import Gateway
from tests.target.project import NAME, project
from tests.target.releases import Releases

ORIN_NANO = DeviceTree(
    ("nvidia,p3768-0000+p3767-0005", "nvidia,p3767-0005", "nvidia,tegra234"),
    "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
)


def test_flash_board_jetson_finds_the_configured_host() -> None:
    app = project()
    with Gateway(device_tree=ORIN_NANO) as gateway, Releases(app, gateway) as releases:
        new = releases.make()
        ended = flash(app, new.path, "--board", "jetson")
        assert ended.code == 0, ended
        assert ended.result["board"] == "jetson-orin-nano"
        found = look(gateway.path("/"), NAME, [new])
        assert found.mistakes == []
        assert found.state["confirmed"] == new.slot
