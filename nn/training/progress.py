"""Progress: a bar of tqdm over the batches, with the figures of the last epoch behind it."""

import sys
from collections.abc import Mapping
from typing import Any


class Progress:
    """A bar, or nothing where none is wanted.

    Args:
        wanted: True, False, or "auto": where somebody looks, at a terminal or in a notebook.
        epochs, batches: how many there will be.

    Raises ValueError for another wish, ImportError without tqdm where a bar is insisted on.
    """

    def __init__(self, wanted: bool | str, epochs: int, batches: int) -> None:
        if wanted not in (True, False, "auto"):
            raise ValueError(f'progress is True, False or "auto", got {wanted!r}')
        self._bar = None
        if wanted is True or (wanted == "auto" and _is_watched()):
            bar = _bar_class(wanted is True)
            self._bar = bar and bar(total=epochs * batches, unit="batch", dynamic_ncols=True, leave=True)
        self.update = _ignored if self._bar is None else self._bar.update

    def say(self, text: str) -> None:
        """Show what is being done, in front of the bar."""
        if self._bar is not None:
            self._bar.set_description(text)

    def figures(self, logs: Mapping[str, float]) -> None:
        """Show an epoch's figures behind the bar."""
        if self._bar is not None:
            shown = {name: f"{x:.4g}" for name, x in logs.items() if name not in ("lr", "seconds")}
            self._bar.set_postfix(shown, refresh=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()


def _ignored(count: int = 1) -> None:
    return None


def _is_watched() -> bool:
    return "ipykernel" in sys.modules or bool(getattr(sys.stderr, "isatty", bool)())


def _bar_class(insisted: bool) -> Any:
    try:
        if "ipykernel" in sys.modules and "ipywidgets" in sys.modules:
            from tqdm.notebook import tqdm
        else:
            from tqdm import tqdm
    except ImportError:
        if insisted:
            raise ImportError('a progress bar needs tqdm: python -m pip install "scalar-autodiff[train]"') from None
        return None
    return tqdm
