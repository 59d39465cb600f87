"""Where scenes come from: one module a source, all giving the same monthly composite."""
