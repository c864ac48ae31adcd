"""Breaks the code in one place after the other and sees that `make test` notices.

    python tests/mutations.py            all mutations
    python tests/mutations.py 3 7        some of them
    python tests/mutations.py --table    the table of docs/development/testing.md; breaks nothing

Each mutation is made in a copy of the checkout, where the test that it names is run. One that is
not noticed is printed as SURVIVED and makes the exit status 1.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.mutation_list import MUTATIONS, Mutation  # noqa: E402

HEAD = "| # | what is broken | where | test that fails |\n|---|---|---|---|"


def row(number: int, test: str) -> str:
    """Return a line of the table."""
    mutation = MUTATIONS[number - 1]
    where = (Path("rnnjax") / mutation.file).as_posix().replace("rnnjax/../", "")
    return f"| {number} | {mutation.what} | `{where}` | `{test}` |"


def table() -> str:
    """Return the table of docs/development/testing.md."""
    return "\n".join([HEAD, *(row(n, m.test) for n, m in enumerate(MUTATIONS, 1))])


def caught_by(mutation: Mutation) -> str:
    """Return the test that fails, or SURVIVED."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy")
        ignored = shutil.ignore_patterns(".git", ".venv", "results", "__pycache__", ".*_cache")
        shutil.copytree(ROOT, copy, ignore=ignored)
        (copy / "results").symlink_to(ROOT / "results")
        target = copy / "rnnjax" / mutation.file
        text = target.read_text()
        if text.count(mutation.old) != 1:
            return f"NOT APPLIED: {mutation.old!r} stands {text.count(mutation.old)} times"
        target.write_text(text.replace(mutation.old, mutation.new))
        # Without an option these are the tests of `make test`, and no wide or slow one.
        words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider"]
        words.append(f"tests/{mutation.test}")
        done = subprocess.run(words, cwd=copy, capture_output=True, text=True, check=False)
    failed = re.search(r"^(?:FAILED|ERROR) (?:tests/)?(.+?)(?: - |$)", done.stdout, re.MULTILINE)
    return failed.group(1) if done.returncode == 1 and failed else "SURVIVED"


def main() -> int:
    """Print a line for each mutation."""
    if sys.argv[1:] == ["--table"]:
        print(table())
        return 0
    chosen = [int(n) for n in sys.argv[1:]] or range(1, len(MUTATIONS) + 1)
    print(HEAD, flush=True)
    missed = 0
    for number in chosen:
        test = caught_by(MUTATIONS[number - 1])
        missed += test.startswith(("SURVIVED", "NOT APPLIED"))
        print(row(number, test), flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
