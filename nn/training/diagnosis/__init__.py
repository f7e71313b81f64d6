"""Diagnosis: how large activations and gradients are, layer by layer.

    diagnose   `diagnose`: rows, run through a copy of a model
    report     the sizes it found, and the faults among them

The model itself stays as it is.
"""
