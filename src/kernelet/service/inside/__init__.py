"""What runs inside kernels for the service: each module is sent as text, so it imports nothing of kernelet."""
