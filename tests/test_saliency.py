import numpy as np
from skimage.data import astronaut

from smalti.core.saliency import edge_weights, face_weights, mask_weights


def test_edges_count_where_they_are() -> None:
    picture = np.zeros((80, 120, 3), np.uint8)
    picture[:, 60:] = 255
    weight = edge_weights(picture)
    assert weight.shape == (80, 120)
    assert weight[:, 58:62].min() > 4
    assert np.allclose(weight[:, :40], 1)
    assert np.array_equal(weight, edge_weights(picture[:, ::-1])[:, ::-1])


def test_a_flat_picture_counts_the_same_everywhere() -> None:
    assert (edge_weights(np.full((9, 9, 3), 70, np.uint8)) == 1).all()
    assert (edge_weights(np.zeros((1, 1, 3), np.uint8)) == 1).all()


def test_faces_count() -> None:
    weight = face_weights(np.asarray(astronaut()))
    assert weight is not None
    assert weight[115, 223] == 9  # her nose
    assert weight[400, 223] == weight[10, 10] == 1
    assert face_weights(np.asarray(astronaut())[250:]) is None


def test_light_counts_more() -> None:
    mask = np.zeros((1, 3, 3), np.uint8)
    mask[0, 1], mask[0, 2] = 128, 255
    weight = mask_weights(mask)[0]
    assert 0 < weight[0] < weight[1] < weight[2] == 1
