"""The doors: each builds a request, calls make_mosaic and shows its steps."""
