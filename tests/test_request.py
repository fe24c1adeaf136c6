import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smalti import Photomosaic
from smalti.core.color import SPACES as COLOUR_SPACES
from smalti.core.writers import ENDINGS
from smalti.request import FORMATS, SPACES, Jigsaw, Request, from_json, to_json

photomosaics = st.builds(
    Photomosaic,
    target=st.text(),
    photos=st.lists(st.text()).map(tuple),
    output=st.text(),
    cells=st.none() | st.integers(),
    grid=st.none() | st.tuples(st.integers(), st.integers()),
    aspect=st.none() | st.tuples(st.floats(allow_nan=False), st.integers()),
    adjust=st.floats(allow_nan=False) | st.integers(),
    adaptive=st.booleans(),
    brick=st.booleans(),
    ban=st.lists(st.text()).map(tuple),
    lock=st.lists(st.text()).map(tuple),
    variants=st.lists(st.sampled_from(["mirror", "crops"])).map(tuple),
    strict=st.booleans(),
)


jigsaws = st.builds(
    Jigsaw, target=st.text(), shapes=st.lists(st.text()).map(tuple), tiles=st.integers()
)


@given(photomosaics | jigsaws)
def test_json_and_back_is_the_same_request(request: Request) -> None:
    assert from_json(to_json(request)) == request


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"type": "collage"}, "type"),
        ({"cels": 3}, "cels"),
        ({"cells": "3"}, "cells"),
        ({"cells": True}, "cells"),
        ({"cells": 3.5}, "cells"),
        ({"grid": [1]}, "grid"),
        ({"photos": "here"}, "photos"),
        ({"photos": [1]}, "photos"),
        ({"strict": 1}, "strict"),
        ({"adjust": None}, "adjust"),
    ],
)
def test_a_malformed_field_is_named(change: dict[str, object], named: str) -> None:
    good = json.loads(to_json(Photomosaic(target="t", photos=("p",))))
    with pytest.raises(ValueError, match=named):
        from_json(json.dumps({**good, **change}))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "3", "[" * 100_000])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_json(text)


def test_a_field_that_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="target"):
        from_json('{"type": "photomosaic", "photos": []}')


def test_what_the_request_promises_the_writers_keep() -> None:
    assert set(FORMATS) == set(ENDINGS)
    assert set(SPACES) == set(COLOUR_SPACES)
