"""Weights from files: what is read is what was saved, and what runs code is not read."""

import sys

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.importers import files
from tests.bad_numbers import assert_refused
from tests.importers.fixtures import FOLDER, fixture


def assert_same(got, expected):
    assert got[0] == expected[0]
    for a, b in zip(jax.tree.leaves(got[1]), jax.tree.leaves(expected[1]), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("as_path", [str, lambda path: path])
def test_an_npz_file_is_read(tmp_path, as_path):
    path = tmp_path / "weights.npz"
    _, weights = fixture("torch_lstm_one_layer")
    np.savez(path, **weights)
    assert_same(rnnjax.from_torch(as_path(path)), rnnjax.from_torch(weights))
    _, weights = fixture("keras_lstm_one_layer")
    np.savez(path, **weights)
    assert_same(rnnjax.from_keras(as_path(path)), rnnjax.from_keras(weights))


def test_a_safetensors_file_is_read():
    pytest.importorskip("safetensors")
    given = {"prefix": "encoder.lstm.", "readout": "fc."}
    got = rnnjax.from_torch(FOLDER / "torch_tagger.safetensors", **given)
    assert_same(got, rnnjax.from_torch(fixture("torch_tagger")[1], **given))


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    path = FOLDER / "torch_tagger.safetensors"
    with pytest.raises(ValueError, match=r"^weights: expected .*pip install 'rnnjax\[weights\]'$"):
        rnnjax.from_torch(path)


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin", "m.PKL"])
def test_a_pickle_is_refused_with_the_line_that_saves_another(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x80\x04.")
    line = r'safetensors\.torch\.save_file\(model\.state_dict\(\), "model\.safetensors"\)$'
    with pytest.raises(ValueError, match="^weights: expected .*pickle.*" + line):
        rnnjax.from_torch(path)


@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_files_of_keras_are_refused_with_the_line_that_saves_another(name):
    with pytest.raises(ValueError, match=r"^weights: expected .* in Keras: np\.savez\("):
        rnnjax.from_keras(name)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 and then nothing", b"\x93NUMPY\x01\x00garbage"]
)
@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_a_damaged_file_is_told_in_one_line(tmp_path, suffix, content):
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(content)
    assert_refused(lambda: rnnjax.from_torch(path), "weights")


def test_objects_in_an_archive_are_not_read(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, weight_ih_l0=np.array([{"a": 1}], dtype=object))
    assert_refused(lambda: rnnjax.from_torch(path), "weights")


@pytest.mark.parametrize("name", ["no_such.npz", "no_such.safetensors", "weights", "x\ny.npz"])
def test_a_file_that_is_not_there(name):
    assert_refused(lambda: rnnjax.from_torch(name), "weights")


@pytest.mark.parametrize("given", [None, 3, {1: np.ones(2)}, np.ones(3)])
def test_what_is_no_weights(given):
    assert_refused(lambda: rnnjax.from_torch(given), "weights")
    assert_refused(lambda: rnnjax.from_keras(given), "weights")


def test_an_array_that_cannot_be_read_is_named():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("can't convert\ncuda:0 device type tensor to numpy")

    assert_refused(lambda: files.array({"b": Tensor()}, "b"), "b")


def test_tensors_of_torch_are_read_as_they_are():
    """Parameters with a gradient, on any device, and bfloat16, which NumPy lacks."""

    class Tensor:
        def __init__(self, values, dtype, *done):
            self.values, self.dtype, self.done = values, dtype, done

        def detach(self):
            return Tensor(self.values, self.dtype, *self.done, "detach")

        def cpu(self):
            return Tensor(self.values, self.dtype, *self.done, "cpu")

        def float(self):
            return Tensor(self.values.astype(np.float32), "torch.float32", *self.done)

        def __array__(self, dtype=None, copy=None):
            if self.dtype == "torch.bfloat16" or self.done != ("detach", "cpu"):
                raise TypeError("no tensor that NumPy reads")
            return self.values

    values = np.array([1.0, 0.1])
    half = files.array({"b": Tensor(values, "torch.bfloat16")}, "b")
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, values.astype(np.float32))
    np.testing.assert_array_equal(files.array({"b": Tensor(values, "torch.float64")}, "b"), values)
