"""Floor 3: the kernel itself, assembled from the wire, the lanes and a language."""
