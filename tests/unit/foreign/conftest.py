from tests.unit.foreign.fakes import fake_runtime, opened

__all__ = ["fake_runtime", "opened"]
