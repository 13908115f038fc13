"""Floor 0: the Jupyter protocol as values. No zmq, no IPython, no threads, no clock."""
