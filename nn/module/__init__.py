"""Module: something with parameters."""

from nn.module.module import Module as Module
