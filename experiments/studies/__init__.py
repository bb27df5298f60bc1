"""Studies of the search itself: samplers on tables of networks that were all measured."""
