"""How far a replay is, in words, and its speed."""

import pytest

from daemon.replays import _in_words


@pytest.mark.parametrize(
    ("done", "total", "rate", "said"),
    [
        (0, 0, 0.0, ""),
        (0, 1, 0.0, "0 %, 0 of 1 record"),
        (450, 1000, 50.0, "45 %, 450 of 1,000 records, 50 records/s, about 11 s left"),
        (1_215_000, 2_700_000, 80_000.0, "45 %, 1.2 of 2.7 million records, 80,000 records/s, about 19 s left"),
        (2_699_999, 2_700_000, 80_000.0, "99 %, 2.7 of 2.7 million records, 80,000 records/s, about 1 s left"),
    ],
)
def test_progress_is_said_with_what_is_left(done, total, rate, said):
    assert _in_words(done, total, rate) == said
