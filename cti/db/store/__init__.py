"""Queries, one file per area. Frozen objects go out, never rows; one method is one transaction."""
