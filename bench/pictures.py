"""The pictures of README.md, from assets/ alone, into docs/."""

import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from smalti import Jigsaw, Photomosaic, make_mosaic
from smalti.core.picture import read_picture
from smalti.plan import target_file

DOCS = Path(__file__).parent.parent / "docs"
STRIP = 400  # px of each picture of the comparison
CELLS = 640  # px of each picture of cells of several sizes


def main(argv: Sequence[str]) -> None:
    """Make every picture; `argv` is not used."""
    made = make_mosaic(Photomosaic(target="@demo", photos=("@demo",)))
    whole = Image.fromarray(made.pixels())
    _save(
        whole.resize((1000, 1000 * whole.height // whole.width), Image.Resampling.BOX), "astronaut"
    )
    face = [round(part * whole.width) for part in (0.36, 0.05, 0.64, 0.33)]
    _save(whole.crop((face[0], face[1], face[2], face[3])).resize((1000, 1000)), "astronaut-detail")
    _save(_moves(), "adjust")
    _save(_cells(), "cells")
    jigsaw = make_mosaic(Jigsaw(target="@scarlet-macaw", shapes=("@demo",), width=1400))
    _save(Image.fromarray(jigsaw.pixels()), "jigsaw")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "mosaic.html")
        make_mosaic(Photomosaic(target="@demo", photos=("@demo",), output=str(page)))
        _photograph(page, "page")


def _moves() -> Image.Image:
    """Draw the macaw, and its mosaic with tile colours moved by 0, 0.35, 0.7 and 1."""
    target = Image.fromarray(read_picture(target_file("@scarlet-macaw")).pixels)
    height = STRIP * target.height // target.width
    strip = [np.asarray(target.resize((STRIP, height)))]
    for adjust in (0.0, 0.35, 0.7, 1.0):
        asked = Photomosaic(target="@scarlet-macaw", photos=("@demo",), adjust=adjust)
        picture = Image.fromarray(make_mosaic(asked).pixels())
        strip.append(np.asarray(picture.resize((STRIP, height), Image.Resampling.BOX)))
    return Image.fromarray(np.concatenate(strip, axis=1))


def _cells() -> Image.Image:
    """Draw the astronaut in equal cells, in cells of three sizes, and with her face weighed."""
    strip = []
    for adaptive, weight in ((False, ""), (True, ""), (True, "faces")):
        asked = Photomosaic(
            target="@astronaut", photos=("@demo",), cells=1500, adaptive=adaptive, weight=weight
        )
        picture = Image.fromarray(make_mosaic(asked).pixels())
        size = (CELLS, CELLS * picture.height // picture.width)
        whole = np.asarray(picture.resize(size, Image.Resampling.BOX))
        strip.append(whole[: CELLS * 3 // 4])
    return Image.fromarray(np.concatenate(strip, axis=1))


def _save(picture: Image.Image, name: str) -> None:
    picture.save(DOCS / f"{name}.jpg", quality=82, optimize=True)
    print(f"docs/{name}.jpg  {picture.width} x {picture.height}")


def _photograph(page: Path, name: str) -> None:
    """Open the page in Debian's chromium, zoom in and point at a photo."""
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.wait import WebDriverWait

    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "window-size=1200,760"):
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.get(page.resolve().as_uri())
        for _ in range(4):
            ActionChains(driver).pause(0.5).send_keys("+").perform()
        ActionChains(driver).pause(1.5).move_by_offset(560, 330).pause(0.5).perform()
        WebDriverWait(driver, 10).until(lambda d: d.find_element("id", "tip").is_displayed())
        shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    finally:
        driver.quit()
    _save(shot, name)
