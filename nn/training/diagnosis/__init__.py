"""Diagnosis: how large activations and gradients are, layer by layer.

`diagnose` runs rows through a copy of a model; `report` says what is wrong with what it saw.
"""
