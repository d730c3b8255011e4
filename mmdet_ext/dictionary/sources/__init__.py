"""Where the features of a dictionary come from."""
