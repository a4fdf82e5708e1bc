"""Numbers of all sentences, by one rule."""

import pytest

from daemon.number_words import count, counted, figure, percent, zscore


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.012345, "0.0123"),
        (999.4, "999"),
        (999.7, "1,000"),
        (12345.6, "12,346"),
        (-12345.6, "-12,346"),
        (1e9, "1e+09"),
        (float("inf"), "infinite"),
        (float("-inf"), "minus infinite"),
        (float("nan"), "not known"),
    ],
)
def test_a_figure_has_three_digits_thousands_in_full_and_no_sign_for_what_is_no_number(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (5e-5, "0.005 %"),
        (0.4141, "41.4 %"),
        (0.99999, "99.9 %"),
        (1.0, "100 %"),
        (1.5, "150 %"),
        (12.3, "1,230 %"),
    ],
)
def test_a_share_that_is_not_quite_all_does_not_look_so(share, text):
    assert percent(share) == text


def test_counts_have_commas_and_scores_a_decimal_while_it_matters():
    assert count(1234567) == "1,234,567"
    assert [zscore(-0.31), zscore(163.6), zscore(float("inf")), zscore(-0.04)] == ["-0.3", "164", "infinite", "0.0"]
    assert [counted(each, "record") for each in (1, 2345)] == ["1 record", "2,345 records"]
    assert counted(2, "partition is", "partitions are") == "2 partitions are"
