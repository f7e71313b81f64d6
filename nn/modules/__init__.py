"""Module: something with parameters."""

from nn.modules.module import Module as Module
