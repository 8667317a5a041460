"""Sphinx's settings for the book; scripts/build_book.py lays its pages out and starts the build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from mixturelab import __version__

project = "mixturelab"
author = "mixturelab contributors"
copyright = "mixturelab contributors, MIT licence"
version = release = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "plain_docstrings",
    "short_signatures",
    "sphinx.ext.mathjax",
    "alternative_text",
    "clear_references",
]
# What is included in a page, and what lies beside the pages, is no page of its own.
exclude_patterns = ["benchmarks/results/*", "_ext", "_static"]
root_doc = "index"

# ------------------------------------------------------------------------------------------- notebooks
nb_execution_mode = "off"  # what was stored is shown: `make notebooks` runs them
nb_merge_streams = True
# A widget needs a kernel; its static twin does not.
nb_mime_priority_overrides = [
    ("html", "text/html", 1),
    ("html", "image/png", 2),
    ("html", "application/vnd.jupyter.widget-view+json", 90),
]
nb_ipywidgets_js: dict = {}  # they would come from elsewhere
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_dmath_double_inline = True
myst_heading_anchors = 4

# ----------------------------------------------------------------------------------------- docstrings
default_role = "code"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
python_display_short_literal_types = True

# ---------------------------------------------------------------------------------------------- pages
html_theme = "sphinx_book_theme"
html_title = "mixturelab"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark as the reader's system has it, until they choose
html_theme_options = {
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "use_fullscreen_button": False,
    "use_download_button": True,
    "extra_footer": "Built without a network; nothing on these pages is fetched from elsewhere.",
}

# One file, kept in docs/_static/mathjax: formulas as SVG need no fonts, which some browsers refuse from a disk.
mathjax_path = "mathjax/tex-svg.js"
mathjax3_config = {
    # Nothing is loaded later: neither TeX packages by name nor the menu's extras.
    "tex": {"packages": {"[-]": ["autoload", "require"]}},
    "options": {"enableMenu": False},
    "svg": {"fontCache": "local"},
}
