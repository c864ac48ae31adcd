"""Install a wheel into an empty environment and check that it does its work there.

    python tests/install/try_wheel.py dist/*.whl [--lowest] [--extras data,zarr] [CHECK ...]

The environment lies in a temporary folder, has the Python that runs this file, and is removed at
the end. With --lowest every dependency that the wheel declares is installed in the oldest release
that it admits, which pip cannot resolve: `uv` is needed then. CHECK is a name in checks.py; all are
run by default.
"""

import argparse
import email
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

CHECKS = Path(__file__).with_name("checks.py")
# What would lead the environment to other packages, settings or compiled programs than its own.
OF_THE_USER = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "XLA_FLAGS", "JAX_ENABLE_X64")
EXTRA = re.compile(r"extra == ['\"](.+)['\"]")


def requirements(wheel, extras):
    """The dependencies of a wheel and of its extras, as direct ones, in the words of its metadata.

    Raises:
        SystemExit: it has no such extra.
    """
    with zipfile.ZipFile(wheel) as file:
        (name,) = (n for n in file.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(file.read(name))
    known = set(metadata.get_all("Provides-Extra", []))
    if unknown := set(extras) - known:
        sys.exit(f"extras: expected some of {', '.join(sorted(known))}, got {', '.join(unknown)}")
    wanted = []
    for line in metadata.get_all("Requires-Dist", []):
        requirement, _, marker = line.partition(";")
        extra = EXTRA.search(marker)
        if extra is None or extra[1] in extras:
            wanted.append(requirement.strip())
    return wanted


def install(python, wheel, extras, lowest):
    """Install a wheel with its dependencies; a CalledProcessError where that fails."""
    if not lowest:
        target = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
        subprocess.run([python, "-m", "pip", "install", "--quiet", target], check=True)
        return
    uv = shutil.which("uv") or sys.exit("--lowest: expected uv on the path, because pip has none")
    oldest = [uv, "pip", "install", "--quiet", "--resolution", "lowest-direct", "--python", python]
    subprocess.run([*oldest, wheel, *requirements(wheel, extras)], check=True)


def main():
    """Install, print the versions, and run the checks; their exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    parser.add_argument("--lowest", action="store_true", help="the oldest releases it admits")
    parser.add_argument("--extras", default="", help="of the wheel, with commas between")
    options = parser.parse_intermixed_args()
    wheel, extras = (
        options.wheel.resolve(strict=True),
        list(filter(None, options.extras.split(","))),
    )
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        install(python, wheel, extras, options.lowest)
        subprocess.run([python, "-m", "pip", "list", "--format=freeze"], check=True)
        own = {key: value for key, value in os.environ.items() if key not in OF_THE_USER}
        own["XDG_CACHE_HOME"] = str(Path(folder) / "cache")  # no program that was compiled before
        checks = [python, CHECKS, *options.checks]
        return subprocess.run(checks, cwd=folder, env=own, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
