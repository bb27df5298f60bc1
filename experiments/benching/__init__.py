"""The command `nas bench`: one subcommand a bench, each with its own options only."""
