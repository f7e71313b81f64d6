"""The built pages, for all tests of them."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.pages.reading import DIRECTORY

MODULES = ("sphinx", "myst_nb", "pydata_sphinx_theme", "latex2mathml", "sphinx_copybutton")
MOST_SECONDS = 240


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built pages."""
    missing = [name for name in MODULES if find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: pip install 'scalar-autodiff[docs]'")
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DIRECTORY, folder]
    built = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    assert (built.returncode, built.stderr) == (0, ""), built.stderr
    return folder
