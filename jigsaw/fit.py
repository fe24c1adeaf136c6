"""Kernels that judge tiles in their poses: scan, registration, colours, pixels."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from smalti.jigsaw.distance import Map, covered

Floats = NDArray[np.float64]


@njit(cache=True)
def scan(
    distance: Map,
    contours: Floats,
    angles: Floats,
    scales: Floats,
    places: Floats,
    law: Floats,
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Judge every tile in every pose by the nearest pixels' distances (equation 3).

    Parameters
    ----------
    distance : ndarray of shape (h, w), float32
    contours : ndarray of shape (n, k, 2), float64
        In their own planes.
    angles, scales : ndarray of shape (a,), (s,), float64
        Radians; px.
    places : ndarray of shape (p, 2), float64
    law : ndarray of shape (5,), float64
        Longest spring (px), w_G, w_O, prior of the size, wanted scale (px).

    Returns
    -------
    energy : ndarray of shape (n, a), float32
        The least over scales and places: mean over the vertices of
        w_G E_G + w_O E_O in units of the wanted scale, and the prior.
    which : ndarray of shape (n, a), intp
        Index of that scale times p, plus that of the place.
    """
    spring, gap, overlap, prior, want = law
    count = contours.shape[1]
    unit = 1 / (2 * count * want * want)
    # Energies of a vertex in the pixels around, and the places as steps within them.
    middle_x, middle_y = int(places[0, 0]), int(places[0, 1])
    shift = np.empty(len(places), np.int32)  # half as wide as intp: half as many instructions
    slack = 0
    half = int(2.5 * scales.max())
    width = 2 * half + 1
    for p in range(len(places)):
        right, down = int(places[p, 0]) - middle_x, int(places[p, 1]) - middle_y
        shift[p] = down * width + right
        slack = max(slack, abs(right), abs(down))
    cost = np.empty(width * width, np.float32)
    for row in range(width):
        for column in range(width):
            d = distance[
                min(max(middle_y + row - half, 0), distance.shape[0] - 1),
                min(max(middle_x + column - half, 0), distance.shape[1] - 1),
            ]
            near = min(d, spring)
            cost[row * width + column] = (gap if d > 0 else overlap) * near * near * unit
    energy = np.full((len(contours), len(angles)), np.inf, np.float32)
    which = np.zeros((len(contours), len(angles)), np.intp)
    vertex = np.empty(count, np.int32)
    last = width - 1 - slack
    for a in range(len(angles)):
        cos, sin = np.cos(angles[a]), np.sin(angles[a])
        for n in range(len(contours)):
            least = np.float32(np.inf)
            for s in range(len(scales)):
                size = np.float32(prior * np.log(scales[s] / want) ** 2)
                for i in range(count):
                    x, y = contours[n, i]
                    column = half + int(np.floor(scales[s] * (cos * x - sin * y) + 0.5))
                    row = half + int(np.floor(scales[s] * (sin * x + cos * y) + 0.5))
                    row, column = min(max(row, slack), last), min(max(column, slack), last)
                    vertex[i] = row * width + column
                for p in range(len(places)):
                    total = size
                    for i in range(count):
                        total += cost[vertex[i] + shift[p]]
                    if total < least:
                        least = total
                        which[n, a] = s * len(places) + p
            energy[n, a] = least
    return energy, which


@njit(cache=True)
def register(distance: Map, contours: Floats, poses: Floats, law: Floats, steps: int) -> Floats:
    """Move each tile to where its springs are shortest, by Gauss-Newton (section 5.2).

    Parameters
    ----------
    distance : ndarray of shape (h, w), float32
        Sampled bilinearly, with its gradient.
    contours : ndarray of shape (n, k, 2), float64
    poses : ndarray of shape (n, 4), float64
        theta, scale, x, y; changed in place to the best pose passed through.
    law : ndarray of shape (8,), float64
        As in `scan`, then least and largest scale (px) and largest turn (radians).
    steps : int

    Returns
    -------
    ndarray of shape (n,), float64
        Energy as in `scan`.
    """
    height, width = distance.shape
    spring, gap, overlap, prior, want, low, high, turn = law
    count = contours.shape[1]
    unit = 1 / (2 * count * want * want)
    energy = np.empty(len(contours))
    normal = np.empty((4, 5))
    row = np.empty(4)
    for n in range(len(contours)):
        theta, scale, x, y = poses[n]
        least = np.inf
        for step in range(steps + 1):
            cos, sin = scale * np.cos(theta), scale * np.sin(theta)
            normal[:] = 0
            total = prior * np.log(scale / want) ** 2
            normal[3, 3] = prior / unit
            normal[3, 4] = -prior / unit * np.log(scale / want)
            for i in range(count):
                dx = cos * contours[n, i, 0] - sin * contours[n, i, 1]
                dy = sin * contours[n, i, 0] + cos * contours[n, i, 1]
                px = min(max(x + dx - 0.5, 0.0), width - 1.001)
                py = min(max(y + dy - 0.5, 0.0), height - 1.001)
                c, r = int(px), int(py)
                fx, fy = px - c, py - r
                d00, d01 = distance[r, c], distance[r, c + 1]
                d10, d11 = distance[r + 1, c], distance[r + 1, c + 1]
                d = (1 - fy) * ((1 - fx) * d00 + fx * d01) + fy * ((1 - fx) * d10 + fx * d11)
                if d >= spring:
                    total += gap * spring * spring * unit
                    continue
                weight = gap if d > 0 else overlap
                total += weight * d * d * unit
                gx = (1 - fy) * (d01 - d00) + fy * (d11 - d10)
                gy = (1 - fx) * (d10 - d00) + fx * (d11 - d01)
                row[0], row[1], row[2], row[3] = gx, gy, gy * dx - gx * dy, gx * dx + gy * dy
                for p in range(4):
                    normal[p, 4] -= weight * row[p] * d
                    for q in range(4):
                        normal[p, q] += weight * row[p] * row[q]
            if total < least:
                least = total
                poses[n, 0], poses[n, 1], poses[n, 2], poses[n, 3] = theta, scale, x, y
            if step == steps:
                break
            for p in range(4):  # damped: free directions stay where they are
                normal[p, p] += 0.02 * normal[p, p] + 0.1 * (1.0 if p < 2 else scale * scale)
            for p in range(4):  # Gaussian elimination; the matrix is positive definite
                for q in range(p + 1, 4):
                    factor = normal[q, p] / normal[p, p]
                    for k in range(p, 5):
                        normal[q, k] -= factor * normal[p, k]
            for p in range(3, -1, -1):
                for k in range(p + 1, 4):
                    normal[p, 4] -= normal[p, k] * normal[k, 4]
                normal[p, 4] /= normal[p, p]
            if max(abs(normal[0, 4]), abs(normal[1, 4]), abs(normal[2, 4]) * scale) < 0.02:
                break
            far = max(1.0, max(abs(normal[0, 4]), abs(normal[1, 4])) / (0.15 * want))
            x += normal[0, 4] / far
            y += normal[1, 4] / far
            theta += min(max(normal[2, 4], -0.2), 0.2) / far
            scale *= np.exp(min(max(normal[3, 4], -0.15), 0.15) / far)
            scale = min(max(scale, low), high)
            if turn < np.pi:
                theta = min(max(theta, -turn), turn)
        energy[n] = least
    return energy


@njit(cache=True)
def shades(
    goal: NDArray[np.float32], colours: NDArray[np.float32], reach: Floats, poses: Floats
) -> Floats:
    """E_C of tiles by their coarse colours, in units of 100 of their space (section 4.2).

    Parameters
    ----------
    goal : ndarray of shape (h, w, 3), float32
    colours : ndarray of shape (n, g, g, 3), float32
    reach : ndarray of shape (n,), float64
    poses : ndarray of shape (n, 4), float64
        theta, scale, x, y.

    Returns
    -------
    ndarray of shape (n,), float64
    """
    grid = colours.shape[1]
    energy = np.zeros(len(poses))
    for n in range(len(poses)):
        theta, scale, x, y = poses[n]
        cos, sin = scale * reach[n] * np.cos(theta), scale * reach[n] * np.sin(theta)
        for i in range(grid):
            v = (2 * i + 1) / grid - 1
            for j in range(grid):
                u = (2 * j + 1) / grid - 1
                column = min(max(int(x + cos * u - sin * v), 0), goal.shape[1] - 1)
                row = min(max(int(y + sin * u + cos * v), 0), goal.shape[0] - 1)
                square = 0.0
                for k in range(3):
                    square += (goal[row, column, k] - colours[n, i, j, k]) ** 2
                energy[n] += np.sqrt(square)
    energy /= 100 * grid * grid
    return energy


@njit(cache=True)
def weigh(distance: Map, contours: Floats, poses: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Place tiles and count the pixels that they cover (see `covered`).

    Returns
    -------
    pixels : ndarray of shape (n, 2), intp
        Free, and beyond the border.
    places : ndarray of shape (n, k, 2), float64
        The contours, px.
    """
    pixels = np.empty((len(poses), 2), np.intp)
    places = np.empty_like(contours)
    for n in range(len(poses)):
        theta, scale, x, y = poses[n]
        cos, sin = scale * np.cos(theta), scale * np.sin(theta)
        for i in range(contours.shape[1]):
            places[n, i, 0] = x + cos * contours[n, i, 0] - sin * contours[n, i, 1]
            places[n, i, 1] = y + sin * contours[n, i, 0] + cos * contours[n, i, 1]
        pixels[n] = covered(distance, places[n])
    return pixels, places
