"""How to search: objectives, samplers and the loop that asks, evaluates and tells."""
