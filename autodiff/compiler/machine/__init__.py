"""Machine code: how numba makes it, keeps it on disk, and reads memory by address."""
