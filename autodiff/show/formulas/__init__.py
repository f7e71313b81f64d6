"""Formula: what a Value was computed from, as mathematics."""
