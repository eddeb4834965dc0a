"""`/api/v1`: what a shop's own systems say to Santral, and ask it. One module for each resource."""
