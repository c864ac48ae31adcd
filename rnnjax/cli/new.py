"""The command new: the template of an experiment, with its standard and its quick sweep."""

from __future__ import annotations

from pathlib import Path

from rnnjax.errors import ConfigError, printable, shell_word, shown

_SWEEP = """# The {which} sweep: values of the fields of Setting, and axes along which they vary.
chunk = {chunk}

[axes]
activation = ["tanh", "relu"]
gain = "lin(0.5, 2, {n_gains})"
seed = "range({n_seeds})"
"""


def write(path: Path) -> int:
    """Write FILE.py, FILE.toml and FILE.quick.toml.

    Raises:
        ConfigError: the name does not end in .py, or one of the files is there already.
        OSError: they cannot be written.
    """
    if path.suffix != ".py" or not path.stem.isidentifier():
        message = "expected a name like my_sweep.py: letters, digits and underscores, then .py"
        raise ConfigError("file", f"{message}, got {shown(path.name, 200)}")
    texts = {
        path: Path(__file__).with_name("template.py").read_text(encoding="utf-8"),
        path.with_suffix(".toml"): _SWEEP.format(which="standard", chunk=24, n_gains=7, n_seeds=8),
        path.with_suffix(".quick.toml"): _SWEEP.format(
            which="quick", chunk=6, n_gains=3, n_seeds=2
        ),
    }
    for file in texts:
        if file.exists():
            raise ConfigError("file", f"expected a new file, but {str(file)!r} is there already")
    texts[path] = texts[path].replace("THIS_FILE", shell_word(path))
    for file, text in texts.items():
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
        print(f"new     {printable(file)}")
    print(f"run it with: rnnjax run {shell_word(path)}")
    return 0
