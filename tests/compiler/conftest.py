"""The backends that a test of the compiler runs on."""

import pytest

from tests.needs import need_backend


@pytest.fixture(params=["python", "native"])
def backend(request: pytest.FixtureRequest) -> str:
    need_backend(request.param)
    return str(request.param)
