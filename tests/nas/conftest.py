import os

from hypothesis import settings

# Shared machines are slow at times, and a run that passed must pass again.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=60)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
