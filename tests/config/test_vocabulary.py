"""config/ knows no other package, so its words are compared with theirs here."""

from typing import get_args

from config import vocabulary
from estimators import estimates


def test_directions_estimators_and_samplers_are_those_of_the_estimators():
    assert get_args(vocabulary.Direction) == estimates.DIRECTIONS
    assert get_args(vocabulary.Estimator) == estimates.ESTIMATORS
    assert set(get_args(vocabulary.Sampler)) == set(get_args(estimates.Sampler))
