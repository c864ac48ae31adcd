"""Real sweeps belong to `make test-all`; `make test` has `test_every_experiment.py` for them."""

import pytest


def pytest_collection_modifyitems(items):
    """Mark as wide what looks at the cube of a quick sweep."""
    for item in items:
        if "cube" in getattr(item, "fixturenames", ()) and "experiments" in item.path.parts:
            item.add_marker(pytest.mark.wide)
