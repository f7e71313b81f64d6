"""The mode of a model, training or evaluation, for the time of a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nn.modules.contents import modules_of


@contextmanager
def in_mode(model: Any, training: bool) -> Iterator[None]:
    """Put a model in training mode, or in eval mode, in the block; afterwards each module is in the one it was in."""
    before = [(module, module.training) for module in modules_of(model)]
    try:
        model.train(training)
        yield
    finally:
        for module, mode in before:
            module.training = mode
