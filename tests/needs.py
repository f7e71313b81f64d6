"""What a test needs, and is skipped without."""

import pytest

from autodiff import native


def need_core() -> None:
    """Skip the test, or the module, where there is no native core."""
    if native.core is None:
        pytest.skip(f"there is no native core: {native.reason}", allow_module_level=True)


def need_backend(name: str) -> None:
    """Skip the test where there is no such backend here."""
    if name == "native":
        need_core()
