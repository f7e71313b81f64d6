"""Progress: a bar of tqdm over the batches, with the figures of the last epoch behind it."""

import sys
from collections.abc import Mapping
from typing import Any

from nn.optional import optional
from nn.training.history import progress_of

# Without the numbers of batches and their rate, figures have room in a line of 80.
_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


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
        self._bar: Any = None
        if wanted is True or (wanted and ("ipykernel" in sys.modules or getattr(sys.stderr, "isatty", bool)())):
            try:
                tqdm = optional("tqdm.auto", "progress").tqdm
                self._bar = tqdm(total=epochs * batches, dynamic_ncols=True, bar_format=_FORMAT)
            except ImportError:
                if wanted is True:
                    raise

    def update(self) -> None:
        """Count a batch."""
        if self._bar is not None:
            self._bar.update()

    def say(self, text: str) -> None:
        """Show the text in front of the bar."""
        if self._bar is not None:
            self._bar.set_description(text)

    def figures(self, logs: Mapping[str, float]) -> None:
        """Show an epoch's figures behind the bar."""
        if self._bar is not None:
            self._bar.set_postfix({name: f"{logs[name]:.4g}" for name in progress_of(logs)}, refresh=False)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
