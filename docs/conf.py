"""Settings of the documentation. `make docs` builds it into docs/_build/html."""

import hashlib
import sys
from pathlib import Path

import rnnjax

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS / "_extensions"))


def _fingerprint(folder: Path) -> str:
    """Return a hash of the sources of a folder, so that no cached run outlives the code it ran."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


project = "rnnjax"
author = "The rnnjax developers"
copyright = "The rnnjax developers, Apache License 2.0"
release = version = rnnjax.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "docstrings",
    "generated_pages",
]
exclude_patterns = [
    "_build", "_extensions", "_generated", "lecture/_build", "lecture/slides.md",
    "gallery/**/*.ipynb", "gallery/**/*.py", "gallery/**/*.zip", "gallery/**/*.json",
]  # fmt: skip
source_suffix = {".rst": "restructuredtext", ".md": "myst-nb"}

html_theme = "furo"
html_title = f"rnnjax {release}"
html_static_path = ["_static"]
html_extra_path = ["explorer.html", "_generated/downloads"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}

# Docstrings are plain text with names in single backticks; `docstrings` converts them.
default_role = "py:obj"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "notebooks" / _fingerprint(ROOT / "rnnjax"))
nb_execution_timeout = 180
nb_execution_raise_on_error = True
nb_merge_streams = True

sphinx_gallery_conf = {
    "examples_dirs": "_build/scripts",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/draw_",
    "ignore_pattern": r"__init__\.py",
    "image_scrapers": ("gallery_scripts.scrape",),
    "subsection_order": "gallery_scripts.order",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "notebook_extensions": set(),
    "show_memory": False,
    "write_computation_times": False,
    "show_signature": False,
    "min_reported_time": 1_000_000,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "reset_modules": (),
}

# Addresses outside of the documentation are looked up by `sphinx-build -b linkcheck` alone.
linkcheck_ignore = [r"http://localhost.*"]
linkcheck_timeout = 10
