"""Whether the engine is well, and what it does: counted as it happens, told when it is asked."""
