"""Kernels: the loops of the fast backend, in machine code."""
