"""Losses: one number from outputs and targets."""

from nn.losses.losses import *
from nn.losses.losses import __all__ as __all__
