"""Move live HTTP endpoints from Python to Go, one at a time."""
