"""Where kernels come from: this machine (local) or a Jupyter server (remote)."""
