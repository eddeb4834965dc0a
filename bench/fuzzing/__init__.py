"""Fuzzing of everything that reads what somebody outside wrote. `bench/fuzz.py` is the command."""
