"""Grid mosaics, and what both kinds of mosaic share."""
