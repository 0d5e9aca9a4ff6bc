"""Buckets, their labels and quantiles."""

from __future__ import annotations

import pytest

from app.views.histogram import Bucket, buckets, histograms, label, quantile
from app.views.table import maps

DATA = [{"max": -1, "count": 2}, {"min": 0, "max": 0, "count": 0}, {"min": 512, "max": 1023, "count": 4}]


def test_buckets_are_told_with_share_and_label() -> None:
    assert buckets([*DATA, {"min": 1 << 31, "count": 1}]) == (
        Bucket(None, -1, 2, 0.5, "(..., 0)"),
        Bucket(0, 0, 0, 0.0, "0"),
        Bucket(512, 1023, 4, 1.0, "[512, 1K)"),
        Bucket(1 << 31, None, 1, 0.25, "[2G, ...)"),
    )


@pytest.mark.parametrize("data", [None, 5, {}, [], [1, "x", {"min": 1}]])
def test_what_is_no_histogram_has_no_buckets(data: object) -> None:
    assert buckets(data) == ()


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0, 9, "[0, 10)"),
        (64, 127, "[64, 128)"),
        (1 << 20, (2 << 20) - 1, "[1M, 2M)"),
        (None, None, "(..., ...)"),
    ],
)
def test_labels(low: int | None, high: int | None, text: str) -> None:
    assert label(low, high) == text


def test_quantiles_are_upper_bounds() -> None:
    parts = buckets([{"min": 2**k, "max": 2 ** (k + 1) - 1, "count": 10} for k in range(10)])
    assert [quantile(parts, share) for share in (0.5, 0.9, 0.99, 1.0)] == [31, 511, 1023, 1023]
    assert quantile((), 0.5) is None


def test_one_histogram_a_key_fullest_first() -> None:
    few, many = [{"min": 1, "max": 1, "count": 1}], [{"min": 1, "max": 1, "count": 9}]
    found = histograms(maps([{"type": "hist", "data": {"@us": {"a": few, "b": many}}}]))
    assert [(entry.name, entry.key, entry.total, entry.p50) for entry in found] == [
        ("@us", "b", 9, 1),
        ("@us", "a", 1, 1),
    ]
