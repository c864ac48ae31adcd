"""Pages of cubes for tests, and what such a page shows."""

import numpy as np

from rnnjax.explorer import cube_page


def written(tmp_path, **cubes):
    path = tmp_path / "cube.html"
    path.write_text(cube_page.cube_page(cubes), encoding="utf-8")
    return path


def view(page, variable, **setting):
    """The parts that the page shows: title, note, values and words of the status."""
    chosen = {"variable": variable, "x": "auto", "y": "auto", "kind": "auto"}
    found = page.evaluate("(s) => window.rnnjax.cubeView(s)", {**chosen, **setting})
    for part in found["parts"]:
        rows = part["data"]["rows"] if part["data"] else []
        part["values"] = np.array([[c["value"] for c in row["cells"]] for row in rows], float)
        part["words"] = [[c["status"] for c in row["cells"]] for row in rows]
    return found


def first_of(found):
    return found["parts"][0]
