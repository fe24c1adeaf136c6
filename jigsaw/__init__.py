"""Jigsaw image mosaics: clip art of any shape packed into the shapes of a picture."""
