"""Running it for real: data, training, run folders, export and reports."""
