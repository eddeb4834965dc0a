"""Prompts: text to audio.

`opening.py` opens a library as configured; `flows.py` tells what flows want ready. The way of a
text: `units.py` cuts it into sounds, `studio.py` has an engine make each of them, `polish.py` makes
it fit for the telephone, `cache.py` keeps it, `shelf.py` and `library.py` answer calls from memory.
"""
