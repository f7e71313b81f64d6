"""The backends that a test of the compiler runs on."""

import pytest


@pytest.fixture(params=["python", "numba"])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "numba":
        pytest.importorskip("numba")
    return str(request.param)
