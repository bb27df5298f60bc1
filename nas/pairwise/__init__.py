"""Predicts accuracy from a table of measured networks, with deviations, and finds the best."""
