"""What a sweep asks of the threads below it, before jax is imported."""

import os
import subprocess
import sys

import pytest

from rnnjax import catalog

CODE = """
import os
from rnnjax.sweep.backend import configured, cores
configured({devices}, "float32")
print(os.environ.get("OPENBLAS_NUM_THREADS"), int(os.environ.get("NPROC", 0)) // cores())
"""


@pytest.mark.wide
@pytest.mark.parametrize(
    ("devices", "environment", "told"),
    [
        (2, {}, "1 4"),  # LAPACK must not wait for threads of its own, XLA's threads may wait
        (1, {}, "1 0"),  # one device does not wait for another: a thread a core, as XLA has it
        (2, {"OPENBLAS_NUM_THREADS": "3"}, "3 4"),  # the user has the last word
    ],
)
def test_threads_of_several_devices(tmp_path, devices, environment, told):
    bare = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_NUM_THREADS", "NPROC")}
    own = {"PYTHONPATH": str(catalog.PACKAGE.parent), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE.format(devices=devices)],
        env=bare | own | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == told


PRODUCT = """
from rnnjax.sweep.backend import configured
configured(1, "float32")
import jax
a = jax.numpy.ones((4, 4))
print(jax.jit(lambda a: a @ a).lower(a).as_text().count("HIGHEST"))
"""


@pytest.mark.wide
def test_products_keep_all_digits_of_float32(tmp_path):
    own = {"PYTHONPATH": str(catalog.PACKAGE.parent), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT],
        env=dict(os.environ) | own, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == 2  # of both factors
