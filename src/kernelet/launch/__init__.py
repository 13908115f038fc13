"""Everything that lets other programs find and start kernels; the kernel itself never imports it."""
