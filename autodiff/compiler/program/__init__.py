"""Program: instructions in flat arrays, and what each can do."""
