"""Modules: things with parameters.

    contents   a walk through the attributes of a module
    module     the base class
    summary    a model as a table of the modules in it
    modes      training or evaluation, for the time of a block

Parameters are found, not registered; buffers alone are registered.
"""

from nn.modules.module import Module as Module
