"""The page is opened from its file in a real browser, and asked by pointer and key."""

import base64
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from smalti.core.errors import BadInput
from smalti.core.page import link_to, write_page

COLUMNS, ROWS, CELL = 12, 8, 40
WIDTH, HEIGHT = COLUMNS * CELL, ROWS * CELL
NASTY = "</script><img src=x onerror=alert(1)> \"'&\u202egpj.exe \udcff {{data}}"


def colours() -> NDArray[np.uint8]:
    """A colour for each cell, far from those of all other cells."""
    row, column = np.divmod(np.arange(COLUMNS * ROWS), COLUMNS)
    return np.stack([column * 23, row * 36, (column + row) % 2 * 200], axis=-1).astype(np.uint8)


def bands() -> Iterator[NDArray[np.uint8]]:
    for row in colours().reshape(ROWS, 1, COLUMNS, 3):
        yield np.ascontiguousarray(row.repeat(CELL, axis=0).repeat(CELL, axis=1))


def photo_in(column: int, row: int) -> int:
    """The photo of a cell: dealt in an order of their own, the first of them in two cells."""
    return 0 if (column, row) == (11, 7) else (row * COLUMNS + column) * 5 % (COLUMNS * ROWS)


def write(out: Path, links: list[str], labels: list[str] | None = None) -> None:
    write_page(
        bands(),
        (WIDTH, HEIGHT),
        out,
        dpi=300,
        columns=COLUMNS,
        rows=ROWS,
        labels=labels or [f"photo {number:02}.jpg" for number in range(COLUMNS * ROWS)],
        links=links,
        tile=np.array([photo_in(column, row) for row in range(ROWS) for column in range(COLUMNS)]),
        title="Macaw & <friends>",
        facts=[("photos", "96"), ("", "each once")],
    )


def data_of(page: Path) -> dict[str, Any]:
    text = page.read_text("utf-8")
    found = re.search(r'<script id="mosaic" type="application/json">(.*?)</script>', text, re.S)
    assert found
    data = json.loads(found[1])
    assert isinstance(data, dict)
    return data


def test_names_and_links_are_data(tmp_path: Path) -> None:
    out = tmp_path / "m.html"
    labels = [NASTY] * (COLUMNS * ROWS)
    write(out, [""] * len(labels), labels)
    text, data = out.read_text("utf-8"), data_of(out)
    assert set(data["labels"]) == {NASTY.replace("\u202e", "\\u202e").replace("\udcff", "\\udcff")}
    assert "onerror=alert(1)>" not in text.replace("\\u003cimg src=x onerror=alert(1)>", "")
    assert "<h1>Macaw &amp; &lt;friends&gt;</h1>" in text
    assert "96 photos · each once · 4 \u00d7 3 cm at 300 dpi · made with Smalti" in text
    assert "Redistributions in binary form" in text  # OpenSeadragon's licence goes with it


def test_only_photos_in_use_are_listed(tmp_path: Path) -> None:
    out = tmp_path / "m.html"
    write(out, [f"{number}.jpg" for number in range(COLUMNS * ROWS)])
    data = data_of(out)
    unused = (set(range(COLUMNS * ROWS))) - {
        photo_in(column, row) for row in range(ROWS) for column in range(COLUMNS)
    }
    assert len(unused) == 1
    assert len(data["labels"]) == len(data["links"]) == COLUMNS * ROWS - 1
    cells = np.frombuffer(base64.b64decode(data["cells"]), "<u2").reshape(ROWS, COLUMNS)
    assert data["links"][cells[3, 4]] == f"{photo_in(4, 3)}.jpg"


def test_a_page_of_240_000_cells_stays_light(tmp_path: Path) -> None:
    out = tmp_path / "m.html"
    black = np.zeros((8, 600, 3), np.uint8)
    for photos, wide in ((4096, False), (100_000, True)):
        write_page(
            (black for _ in range(50)),
            (600, 400),
            out,
            dpi=300,
            columns=600,
            rows=400,
            labels=[f"{number:06}.jpg" for number in range(photos)],
            links=[""] * photos,
            tile=np.arange(240_000) % photos,
            title="large",
            facts=[],
        )
        data = data_of(out)
        assert data["wide"] is wide
        cells = np.frombuffer(base64.b64decode(data["cells"]), "<u4" if wide else "<u2")
        np.testing.assert_array_equal(cells, np.arange(240_000) % photos)
        assert out.stat().st_size < (4e6 if wide else 1.2e6)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder"):
        write(tmp_path / "none" / "m.html", [""] * 96)
    with pytest.raises(ValueError, match="in a grid of 12 x 8"):
        write_page(
            bands(), (WIDTH, HEIGHT), tmp_path / "m.html", dpi=300, columns=12, rows=8,
            labels=[""], links=[""], tile=np.zeros(95, int), title="", facts=[],
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("file", "url"),
    [
        ("photos/a b.jpg", "photos/a%20b.jpg"),
        ("../x/ä#1?.jpg", "../x/%C3%A4%231%3F.jpg"),
        ("100%.jpg", "100%25.jpg"),
        ("c:d.jpg", "c%3Ad.jpg"),
        ("caf\udce9.jpg", "caf%E9.jpg"),
        ("a\u202eb.jpg", "a%E2%80%AEb.jpg"),
    ],
)
def test_link_to(tmp_path: Path, file: str, url: str) -> None:
    page = tmp_path / "out" / "m.html"
    assert link_to(os.path.join(page.parent, file), page) == url


def test_link_from_and_to_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert link_to("a.jpg", Path("m.html")) == "a.jpg"
    assert link_to("photos/a.jpg", Path("pages/m.html")) == "../photos/a.jpg"


# In the browser.


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a difficult name, and the photos it links to."""
    folder = tmp_path_factory.mktemp("site")
    page = folder / "mosaïc #1 100%.html"
    photos = [folder / "my photos" / f"photo #{number:02}.png" for number in range(COLUMNS * ROWS)]
    photos[0].parent.mkdir()
    for photo, colour in zip(photos, colours(), strict=True):
        Image.new("RGB", (8, 8), tuple(colour.tolist())).save(photo)
    links = [link_to(str(photo), page) for photo in photos]
    links[photo_in(0, 0)] = ""
    labels = [f"photo {number:02}" for number in range(COLUMNS * ROWS)]
    labels[photo_in(1, 0)] = NASTY
    write(page, links, labels)
    return page


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    driver, chrome = (
        shutil.which("chromedriver"),
        shutil.which("chromium") or shutil.which("google-chrome"),
    )
    if not (driver and chrome):
        if "CI" in os.environ:
            pytest.fail("chromium and chromedriver are needed")
        pytest.skip("needs chromium and chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chrome
    for argument in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "window-size=1000,800",
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chromium = webdriver.Chrome(options=options, service=Service(driver))
    yield chromium
    chromium.quit()


@pytest.fixture
def page(browser: Any, site: Path) -> Iterator[Any]:
    """The page, freshly opened and drawn; whatever it complains of fails the test."""
    browser.get(site.as_uri())
    wait(lambda: browser.execute_script("return viewer.world.getItemAt(0)?.getFullyLoaded()"))
    settle(browser)
    yield browser
    assert browser.get_log("browser") == []


def wait(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "the page did not get there"
        time.sleep(0.05)


def settle(browser: Any) -> None:
    """Wait until nothing moves and the tiles of the present view are drawn."""
    still = """
        const now = JSON.stringify(viewer.viewport.getBounds(true));
        const same = now === window.seen && now === JSON.stringify(viewer.viewport.getBounds());
        window.seen = now;
        return same && viewer.world.getItemAt(0).getFullyLoaded();
    """
    wait(lambda: browser.execute_script(still))
    time.sleep(0.2)


def place_of(browser: Any, column: float, row: float) -> tuple[int, int]:
    """Pixel of the window at a place in the grid, worked out apart from the page's own code."""
    left, top, width, height = browser.execute_script("""
        const box = document.getElementById("view").getBoundingClientRect();
        const image = viewer.world.getItemAt(0);
        const a = image.imageToViewerElementCoordinates(new OpenSeadragon.Point(0, 0));
        const b = image.imageToViewerElementCoordinates(image.getContentSize());
        return [box.left + a.x, box.top + a.y, b.x - a.x, b.y - a.y];
    """)
    return round(left + width * column / COLUMNS), round(top + height * row / ROWS)


def point_at(browser: Any, column: float, row: float, *, click: bool = False) -> str:
    """Move the pointer into a cell, given by its middle; return the name shown, or ""."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions: Any = ActionBuilder(browser, duration=0)
    actions.pointer_action.move_to_location(*place_of(browser, column + 0.5, row + 0.5))
    if click:
        actions.pointer_action.click()
    actions.perform()
    return str(browser.find_element("id", "tip").text)


def visible_cells(browser: Any) -> list[tuple[int, int]]:
    box = browser.execute_script(
        "const b = document.getElementById('view').getBoundingClientRect();"
        "return [b.left, b.top, b.right, b.bottom];"
    )
    return [
        (column, row)
        for row in range(ROWS)
        for column in range(COLUMNS)
        for x, y in [place_of(browser, column + 0.5, row + 0.5)]
        if box[0] < x < box[2] and box[1] < y < box[3]
    ]


def colour_at(browser: Any, column: int, row: int) -> NDArray[np.int_]:
    with Image.open(BytesIO(browser.get_screenshot_as_png())) as shot:
        pixel = shot.convert("RGB").getpixel(place_of(browser, column + 0.5, row + 0.5))
    return np.array(pixel)


def test_it_draws_the_picture(page: Any) -> None:
    assert page.title == "Macaw & <friends>"
    for column, row in ((0, 0), (11, 0), (5, 3), (0, 7), (11, 7)):
        expected = colours()[row * COLUMNS + column].astype(int)
        assert np.abs(colour_at(page, column, row) - expected).max() <= 6


def test_hovering_names_the_photo(page: Any) -> None:
    for column, row in ((0, 0), (11, 0), (5, 3), (6, 3), (0, 7), (11, 7)):
        assert point_at(page, column, row) == f"photo {photo_in(column, row):02}"
        outline = page.find_element("id", "cell").rect
        middle = (outline["x"] + outline["width"] / 2, outline["y"] + outline["height"] / 2)
        assert middle == pytest.approx(place_of(page, column + 0.5, row + 0.5), abs=1.5)
    for right, down in ((-0.47, -0.47), (0.47, 0.47), (-0.47, 0.47)):  # just inside its corners
        assert point_at(page, 5 + right, 3 + down) == f"photo {photo_in(5, 3):02}"
    shown = NASTY.replace("\u202e", "\\u202e").replace("\udcff", "\\udcff")
    assert point_at(page, 1, 0) == shown
    assert point_at(page, -1, 3) == ""


def test_names_stay_right_after_zoom_and_pan(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    before = place_of(page, 1, 0)[0] - place_of(page, 0, 0)[0]
    point_at(page, 5, 3)
    canvas = page.find_element("css selector", ".openseadragon-canvas")
    for _ in range(4):
        ActionChains(page).scroll_from_origin(origin_of(canvas), 0, -200).perform()
        settle(page)
    ActionChains(page).click_and_hold().move_by_offset(-90, 70).pause(0.3).release().perform()
    settle(page)
    assert len(page.window_handles) == 1, "a drag opened a photo"
    assert place_of(page, 1, 0)[0] - place_of(page, 0, 0)[0] > 1.4 * before
    cells = visible_cells(page)
    assert 4 <= len(cells) < COLUMNS * ROWS
    for column, row in (cells[0], cells[len(cells) // 2], cells[-1]):
        if (column, row) != (1, 0):
            assert point_at(page, column, row) == f"photo {photo_in(column, row):02}"
            expected = colours()[row * COLUMNS + column].astype(int)
            assert np.abs(colour_at(page, column, row) - expected).max() <= 6


def origin_of(element: Any) -> Any:
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    return ScrollOrigin.from_element(element)


def test_a_click_opens_the_photo_in_a_new_tab(page: Any, site: Path) -> None:
    home = page.current_window_handle
    point_at(page, 0, 0, click=True)  # this one has no link
    point_at(page, 4, 2, click=True)
    wait(lambda: len(page.window_handles) == 2)
    (tab,) = set(page.window_handles) - {home}
    page.switch_to.window(tab)
    photo = site.parent / "my photos" / f"photo #{photo_in(4, 2):02}.png"
    wait(lambda: page.current_url == photo.as_uri())
    assert page.execute_script("return document.images[0].naturalWidth") == 8
    page.close()
    page.switch_to.window(home)


def test_keys_zoom_move_and_name_the_middle(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    def pitch() -> int:
        settle(page)
        return place_of(page, 1, 0)[0] - place_of(page, 0, 0)[0]

    canvas = page.find_element("css selector", ".openseadragon-canvas")
    first = pitch()
    canvas.send_keys("+")
    assert pitch() == pytest.approx(first * 1.5, abs=1)
    left = place_of(page, 0, 0)[0]
    canvas.send_keys(Keys.ARROW_RIGHT + Keys.ARROW_DOWN)  # off the line between two rows, too
    settle(page)
    assert place_of(page, 0, 0)[0] < left
    box = page.find_element("id", "view").rect
    middle = np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])
    column, row = (int(steps) for steps in (middle - place_of(page, 0, 0)) // pitch())
    assert page.find_element("id", "tip").text == f"photo {photo_in(column, row):02}"
    canvas.send_keys("-")
    assert pitch() == pytest.approx(first, abs=1)
    canvas.send_keys("++0")
    assert pitch() == first


def test_a_tap_names_the_photo_and_opens_nothing(page: Any) -> None:
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    touch: Any = PointerInput
    finger: Any = ActionBuilder(page, mouse=touch("touch", "finger"), duration=0)
    finger.pointer_action.move_to_location(*place_of(page, 7.5, 5.5))
    finger.pointer_action.pointer_down().pointer_up()
    finger.perform()
    tip = page.find_element("id", "tip")
    wait(lambda: tip.text == f"photo {photo_in(7, 5):02}")
    assert len(page.window_handles) == 1
    assert tip.get_attribute("href").endswith(f"my%20photos/photo%20%23{photo_in(7, 5):02}.png")
    assert tip.value_of_css_property("pointer-events") == "auto"


def test_it_is_dark_where_the_system_is(page: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        page.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )
        grounds.append(colour_at(page, -1, 3).mean())
    assert grounds[0] > 200
    assert grounds[1] < 50
