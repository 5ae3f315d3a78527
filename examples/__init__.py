"""Scripts that run: methods in a few lines of Python, and studies that type `hf-mplm` commands one after the other."""
