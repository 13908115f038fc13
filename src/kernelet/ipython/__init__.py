"""Floor 2: the IPython bridge, an implementation of the Language protocol."""
