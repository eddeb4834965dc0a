"""Calls that go out: which (`campaigns`), when and whether (`policy`)."""
