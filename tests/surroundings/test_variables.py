"""What the user has set in the environment: respected, set aside with a line, or refused in one."""

import os
import re

import numpy as np
import pytest

from rnnjax.sweep.cube import read_cube
from tests.surroundings.situation import FLAGS, ROOT, Situation, check, run

pytestmark = pytest.mark.wide  # sweeps as processes

RUN = "$R run $TOY --out new"


def refused(name, told, **variables):
    return Situation(name, RUN, 4, "", f"rnnjax: {told}", variables)


REFUSED = [
    refused("a card that is not there", "JAX_PLATFORMS: .*, got 'cuda': .*", JAX_PLATFORMS="cuda"),
    refused("a platform of no name", "JAX_PLATFORMS: .*, got 'xyz': .*", JAX_PLATFORMS="xyz"),
    refused("no truth value", "JAX_ENABLE_X64: .*, got 'maybe': .*", JAX_ENABLE_X64="maybe"),
    refused(
        "no number of devices",
        "JAX_NUM_CPU_DEVICES: expected a whole number from 1 to 256, got 'many'",
        JAX_NUM_CPU_DEVICES="many",
    ),
    refused("no truth value here", "JAX_DISABLE_JIT: .*, got 'x': .*", JAX_DISABLE_JIT="x"),
    refused(
        "an unknown flag", "XLA_FLAGS: .*: Unknown flag .*: --xla_none", XLA_FLAGS="--xla_none"
    ),
    refused(
        "a flag without its value",
        "XLA_FLAGS: expected flags that this jaxlib knows: .*banana.*",
        XLA_FLAGS="--xla_cpu_enable_fast_math=banana",
    ),
    refused(
        "no date",
        "SOURCE_DATE_EPOCH: expected a whole number of seconds, got 'garbage'",
        SOURCE_DATE_EPOCH="garbage",
    ),
    refused("no file of flags", "XLA_FLAGS: .*, got 'none': No such file.*", XLA_FLAGS="none"),
]

# Two names of one kind a line, so that few sweeps have to be run.
ASIDE = {
    "JAX_ENABLE_X64": ("1", r"float32 all the same \(--x64 for float64\)"),
    "JAX_DEFAULT_PRNG_IMPL": ("rbg", "'threefry2x32'"),
    "JAX_THREEFRY_PARTITIONABLE": ("0", "True"),
    "JAX_RANDOM_SEED_OFFSET": ("5", "0"),
    "JAX_DEFAULT_MATMUL_PRECISION": ("bfloat16", "'highest'"),
    "JAX_DISABLE_MOST_OPTIMIZATIONS": ("1", "False"),
    "JAX_DEBUG_NANS": ("1", "False"),
    "JAX_DEBUG_INFS": ("1", "False"),
    "JAX_DISABLE_JIT": ("1", "False"),
    "JAX_NUMPY_DTYPE_PROMOTION": ("strict", "'standard'"),
    "JAX_NUMPY_RANK_PROMOTION": ("raise", "'allow'"),
    "JAX_TRANSFER_GUARD": ("disallow", "'allow'"),
}


@pytest.mark.parametrize("situation", REFUSED, ids=lambda one: one.name)
def test_what_stops_a_sweep_from_starting_is_told_in_a_line(here, situation):
    check(situation, here)
    assert not (here / "new" / "cube.nc").exists()


def same_numbers(here, name="new"):
    new, old = read_cube(here / name), read_cube(here / "done")
    assert new.drop_attrs().identical(old.drop_attrs())
    return new


def test_options_of_jax_change_no_bit_of_a_cube_and_are_told(here):
    variables = {name: value for name, (value, _) in ASIDE.items()}
    done = run(RUN, here, XLA_FLAGS=FLAGS, **variables)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "all the same" in line]
    assert len(told) == len(ASIDE)
    same_numbers(here)


def test_each_option_that_is_set_aside_is_named():
    from rnnjax.sweep.surroundings import FIXED

    assert {name.lower() for name in ASIDE} == {"jax_enable_x64", *FIXED}


# As a Jupyter kernel, a batch system, a remote shell or a poor terminal set them, all at once.
KEPT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "MPLCONFIGDIR": "/proc/none",
    "DISPLAY": ":77",
    "SLURM_JOB_ID": "7",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NODELIST": "node[1-4]",
    "TERM": "dumb",
    "NO_COLOR": "1",
    "COLUMNS": "40",
    "PYTHONIOENCODING": "latin-1",
    "LC_ALL": "C",
    "TMPDIR": "/none",
    "NPROC": "3",
    "OPENBLAS_NUM_THREADS": "2",
    "JAX_NUM_CPU_DEVICES": "1",
    "JAX_COMPILATION_CACHE_DIR": "programs",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "HOME": None,
    "XDG_CACHE_HOME": None,
}


def test_what_the_user_has_set_is_respected_and_stops_nothing(here):
    (here / "flags").write_text(FLAGS.replace(" ", "\n"))
    (here / "matplotlibrc").write_text("text.usetex: True\nbackend: none\nlines.linewidth: many\n")
    nobody = here / "nobody"
    nobody.mkdir()
    (nobody / "sitecustomize.py").write_text(
        "import pwd\n\ndef nobody(*_):\n    raise KeyError('no such user')\n\n"
        "pwd.getpwuid = pwd.getpwnam = nobody\n"
    )
    both = {"XLA_FLAGS": "flags", "PYTHONPATH": f"{nobody}:{ROOT}"}
    done = run("umask 000; $R run $TOY --out 'ö 見 new'", here, **KEPT, **both)
    assert done.returncode == 0, done.stderr
    assert "1 of 1 claims passed" in done.stdout
    assert re.fullmatch(r"(\d/6 steps, .*\n)+", done.stderr), done.stderr
    cube = same_numbers(here, "ö 見 new")
    assert cube.attrs["xla_flags"].startswith(FLAGS)
    assert len(list((here / "programs").iterdir())) >= 3
    figure = here / "ö 見 new" / "figure.png"
    assert figure.read_bytes() == (here / "done" / "figure.png").read_bytes()


def test_four_host_devices_few_open_files_and_no_permissions(here):
    flags = f"{FLAGS} --xla_force_host_platform_device_count=4"
    unread = " 2>&1 | true; exit ${PIPESTATUS[0]}"
    done = run(f"umask 777; ulimit -n 24; {RUN}{unread}", here, XLA_FLAGS=flags)
    if os.geteuid():
        pytest.skip("not root: a mask of 777 keeps even the owner from reading")
    assert done.returncode == 0, done.stderr
    same_numbers(here)


def test_a_matplotlibrc_that_is_no_text_costs_the_figure_alone(here):
    (here / "matplotlibrc").write_bytes(bytes(range(128, 256)))
    done = run("$R run $TOY --out done", here)
    assert done.returncode == 4
    assert "rnnjax: figure: matplotlib cannot be imported: UnicodeDecodeError" in done.stderr
    assert "1 of 1 claims passed" in done.stdout
    assert np.all(read_cube(here / "done").log_norm_status == 1)
