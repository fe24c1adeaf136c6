"""Run by a GIMP that is killed meanwhile: a mosaic is made, again and again."""

import os
import sys

sys.path.insert(0, os.environ["TESTS"])
from gimp_calls import photomosaic, picture

image, layer = picture(alpha=False)
while True:
    photomosaic(image, [layer], cells=140)
