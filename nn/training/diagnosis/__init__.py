"""Diagnosis: how large activations and gradients are, layer by layer."""
