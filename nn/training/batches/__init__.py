"""Steps: sums over the rows of a batch."""
