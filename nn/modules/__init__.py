"""Modules: things with parameters.

- `contents`: a walk through what a module holds.
- `module`: the base class.
- `summary`: a model as a table of the modules in it.
- `modes`: training or evaluation, for the time of a block.
"""

from nn.modules.module import Module as Module
