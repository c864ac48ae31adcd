"""One finished sweep, which all situations look at."""

import shutil

import pytest

from tests.surroundings import situation


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with the finished sweep `done`, and the cache of its compiled programs."""
    folder = tmp_path_factory.mktemp("surroundings")
    done = situation.run("$R run $TOY --out done", folder, XLA_FLAGS=situation.FLAGS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(finished, tmp_path):
    """A folder of its own with a copy of the sweep."""
    shutil.copytree(finished / "done", tmp_path / "done")
    (tmp_path / "cache").symlink_to(finished / "cache")
    return tmp_path
