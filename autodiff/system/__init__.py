"""What holds when something breaks in: an interrupt into a block, a fork into a lock, a crash into a file."""
