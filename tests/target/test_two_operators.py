"""Two people flash one gateway at the same moment: one of them waits or is told to; never a mixture."""

from __future__ import annotations

from tests.target.checker import look
from tests.target.flashing import Flash, flash
from tests.target.killing import judge
from tests.target.project import NAME
from tests.target.releases import Releases


def test_two_operators_at_once(plain_releases: Releases) -> None:
    releases = plain_releases
    one, two = releases.make(), releases.make()
    other_home = releases.app.folder / "other"  # another person's: its journal's lock is not the first one's
    other_home.mkdir(exist_ok=True)
    first = Flash(releases.app, one.path, *releases.place.words)
    second = Flash(releases.app, two.path, *releases.place.words, HOME=str(other_home))
    ended = [first.wait(), second.wait()]
    codes = sorted(each.code for each in ended)
    assert codes in ([0, 0], [0, 9], [0, 12], [0, 21]), "\n".join(map(str, ended))
    found = look(releases.gateway.path("/"), NAME, releases.known)
    assert judge(found, releases.known) == []
    again = flash(releases.app, two.path, *releases.place.words)
    assert again.code == 0, again
    releases.confirmed()
    assert releases.state()["confirmed"] == two.slot
