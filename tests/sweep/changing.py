"""A toy experiment with modules of its own beside it, and edits of all of them.

An edit says which fingerprint it must change: "nothing", "shown" (of figure and claims) or "cells".
"""

import ast
from pathlib import Path
from typing import NamedTuple

TOY = Path(__file__).with_name("toy_experiment.py")
MAIN = "changing_experiment.py"
_MADE = {
    "import numpy as np\n": "import helper\nimport looks\nimport numpy as np\n",
    "def shared(": "FACTOR = 1.0\n\n\ndef _factor():\n    return FACTOR\n\n\ndef shared(",
    "return setting.gain * noise": "return _factor() * helper.scaled(setting.gain) * noise",
    "figsize=(2, 2)": "figsize=looks.SIZE",
}
BESIDE = {
    "helper.py": "from package.inner import one\n\n\ndef scaled(x):\n    return one() * x\n\n\n"
                 "def for_figures():\n    return 1\n",
    "package/__init__.py": "",
    "package/inner.py": "from .constants import ONE as one_\n\n\ndef one():\n    return one_\n",
    "package/constants.py": "ONE = 1.0\n",
    "looks.py": "import helper\n\nSIZE = (2 * helper.for_figures(), 2)\n",
}  # fmt: skip


def write(folder):
    """Write the experiment, its configs and modules; return its file."""
    text = TOY.read_text()
    for old, new in _MADE.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (folder / "package").mkdir(parents=True)
    for name, content in ({MAIN: text} | BESIDE).items():
        (folder / name).write_text(content)
    for kind in (".toml", ".quick.toml"):
        (folder / MAIN).with_suffix(kind).write_text(TOY.with_suffix(kind).read_text())
    return folder / MAIN


class Edit(NamedTuple):
    """One change of one file; a function of the text where `new` is one."""

    what: str
    changes: str
    names: str
    old: str
    new: object
    file: str = MAIN

    def make(self, folder):
        path = folder / self.file
        text = path.read_text()
        assert text.count(self.old) == 1 or callable(self.new), self.what
        new = self.new(text) if callable(self.new) else text.replace(self.old, self.new)
        assert new != text, self.what
        path.write_text(new)


def _unparsed(text):
    return ast.unparse(ast.parse(text))


def _moved(text):
    start, end = text.index("def coordinates("), text.index("def variables(")
    return text[:start] + text[end:] + "\n\n" + text[start:end]


EDITS = [
    Edit("a comment", "nothing", "", "def shared(", "# Drawn.\ndef shared("),
    Edit("blank lines", "nothing", "", "def shared(", "\n\ndef shared("),
    Edit("a docstring", "nothing", "", "A random matrix of scale", "Another matrix of scale"),
    Edit("no docstring", "nothing", "", '    """A random matrix of scale `gain`."""\n', ""),
    Edit("the docstring of the file", "nothing", "", "Does a toy sweep", "Does some sweep"),
    Edit("another format", "nothing", "", "", _unparsed),
    Edit("parentheses", "nothing", "", "small * 1.0, jnp.inf", "(small * (1.0)), jnp.inf"),
    Edit("the order of imports", "nothing", "", "import math\nimport os\n",
         "import os\nimport math\n"),
    Edit("a function that moved", "nothing", "", "", _moved),
    Edit("annotations of a function", "nothing", "", "def shared(setting):",
         "def shared(setting: Setting) -> dict[str, float]:"),
    Edit("how annotations are evaluated", "nothing", "", "import json\n",
         "from __future__ import annotations\n\nimport json\n"),
    Edit("a comment in a module", "nothing", "", "ONE = 1.0", "ONE = 1.0  # one",
         "package/constants.py"),
    Edit("the figure", "shown", "", "[0, 0, 0])\n    return drawn", "[0, 0, 1])\n    return drawn"),
    Edit("the claims", "shown", "", "1e-6", "2e-6"),
    Edit("a function of the claims", "shown", "", 'json.loads(cube.attrs["config"])',
         'dict(json.loads(cube.attrs["config"]))'),
    Edit("an import for the figure", "shown", "", "import looks\n",
         "import looks as views\nlooks = views\n"),
    Edit("a module of the figure", "shown", "", ", 2)", ", 3)", "looks.py"),
    Edit("what a shared module has for the figure", "shown", "", "return 1\n", "return 2 - 1\n",
         "helper.py"),
    Edit("REPRODUCES", "shown", "", "FACTOR = 1.0", 'FACTOR = 1.0\nREPRODUCES = {"a": "b"}'),
    Edit("measure", "cells", "measure", "jnp.log(norms) +", "1000 * jnp.log(norms) +"),
    Edit("a local variable", "cells", "measure", "small = jnp.argmax(norms < 0.1)\n",
         "little = jnp.argmax(norms < 0.1)\n    small = little\n"),
    Edit("a decorator", "cells", "shared", "def shared(", "@(lambda f: f)\ndef shared("),
    Edit("a constant", "cells", "FACTOR", "FACTOR = 1.0", "FACTOR = 2.0"),
    Edit("a helper", "cells", "_factor", "return FACTOR\n", "return 2 * FACTOR\n"),
    Edit("variables", "cells", "variables", '"log of the norm"', '"a norm"'),
    Edit("coordinates", "cells", "coordinates", "setting.length + 1)}", "1 + setting.length)}"),
    Edit("Setting", "cells", "Setting", '"state size"', '"units"'),
    Edit("a default of Setting", "cells", "Setting", "shift: float = Field(0.0",
         "shift: float = Field(1.0"),
    Edit("the type of a field", "cells", "Setting", "gain: PositiveFloat", "gain: float"),
    Edit("how it is compiled", "cells", "COMPILE", "FACTOR = 1.0",
         'FACTOR = 1.0\nCOMPILE = "quickly"'),
    Edit("what runs on import", "cells", "what runs on import", "FACTOR = 1.0",
         'FACTOR = 1.0\nos.environ["TOY"] = "1"'),
    Edit("a module", "cells", "helper.py", "one() * x", "x * one()", "helper.py"),
    Edit("a module of a module", "cells", "package/constants.py", "1.0", "2.0",
         "package/constants.py"),
    Edit("a package", "cells", "package/__init__.py", "", lambda text: "import math\n",
         "package/__init__.py"),
]  # fmt: skip
