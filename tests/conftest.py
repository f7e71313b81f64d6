"""A browser for all tests that look at pages, and the profiles of hypothesis.

The profiles: `repeat` tries the same examples at every run, `explore` new ones, `nightly` takes its time.

`repeat` holds unless HYPOTHESIS_PROFILE names another: the suite passes or fails for everyone alike, and what it says
is about the code, not about luck. (The examples draw on the numbers in the modules that are loaded, so one test file
alone may try others than the whole suite.)

    HYPOTHESIS_PROFILE=explore python -m pytest tests/laws/test_laws.py

tries 50 random examples of each law. `.ci/run` ends with such a step, whose seed it prints. The nightly run is

    HYPOTHESIS_PROFILE=nightly python -m pytest

and tries 10,000 examples of each law, and as many lives of a Value; it takes hours. What these two find is a fault of
the code or of the law, and never to be run away: it is printed with the decorator `@reproduce_failure(...)` that brings
it back, kept in `.hypothesis`, and tried first by their next run; once mended, it stands as an `@example` or a test of
its own. `mutation` has few examples, the same each time, for thousands of runs.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

if TYPE_CHECKING:
    from tests.show.browser import Browser

# Everything that hypothesis would set otherwise where it sees CI is set here, and no test fails on a busy machine.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
random = settings(patient, derandomize=False, database=DirectoryBasedExampleDatabase(".hypothesis/examples"))
settings.register_profile("repeat", patient, max_examples=25, derandomize=True, database=None)
settings.register_profile("explore", random, max_examples=50)
settings.register_profile("nightly", random, max_examples=10_000)
settings.register_profile("mutation", settings.get_profile("repeat"), max_examples=8)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "repeat")


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """One browser for all tests, with whatever the last one left in its window."""
    from tests.show import browser as browsers  # it loads much: not for tests without a browser

    if reason := browsers.missing():
        pytest.skip(reason)
    with browsers.started() as started:
        yield started


@pytest.fixture
def browser(chromium: "Browser") -> "Browser":
    """A window that shows nothing and has said nothing, whose pages run their scripts."""
    chromium.scripts(on=True)
    chromium.driver.get("about:blank")
    chromium.driver.get_log("browser")  # what it said of the page before
    return chromium
