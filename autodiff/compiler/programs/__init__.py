"""Programs: instructions in flat arrays, what each can do, and programs in pickles."""
