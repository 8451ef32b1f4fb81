"""A soak: everything at once for a chosen time, and the proof that nothing of it stays or goes wrong."""
