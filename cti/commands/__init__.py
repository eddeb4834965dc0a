"""The sub-commands of `santral`, one module an area; each adds its own to the parser."""
