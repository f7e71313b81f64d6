"""The application: `python -m autodiff`, with its tour and its expressions."""
