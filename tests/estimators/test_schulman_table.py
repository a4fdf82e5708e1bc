"""J. Schulman's table ("Approximating KL Divergence", 2020): bias and deviation of one sample, over the true KL."""

import math

import numpy as np
import pytest

from estimators.values import pair_values

TABLE = [
    # mean of p, estimator, bias / true, standard deviation / true; x is drawn from q = N(0, 1)
    (0.1, "k1", 0.0, 20.0),
    (0.1, "k2", 0.002, 1.42),
    (0.1, "k3", 0.0, 1.42),
    (1.0, "k1", 0.0, 2.0),
    (1.0, "k2", 0.25, 1.73),
    (1.0, "k3", 0.0, 1.70),
]


@pytest.mark.parametrize(("shift", "estimator", "bias", "deviation"), TABLE)
def test_bias_and_deviation_of_one_sample_are_those_of_the_table(shift, estimator, bias, deviation):
    truth = shift**2 / 2
    # Gauss-Hermite quadrature is exact where drawing would need 10^7 samples.
    x, weight = np.polynomial.hermite_e.hermegauss(120)
    weight = weight / math.sqrt(2 * math.pi)
    values = pair_values(shift * x - shift**2 / 2)
    column = {"k1": values.k1, "k2": values.k2, "k3": values.kl_so}[estimator]
    mean = math.fsum(weight * column)
    assert mean / truth - 1 == pytest.approx(bias, abs=0.0015)
    assert math.sqrt(math.fsum(weight * column**2) - mean**2) / truth == pytest.approx(deviation, abs=0.006)


def test_the_best_coefficient_beats_the_table_where_the_divergence_is_large(gaussian_cases):
    stats = gaussian_cases["schulman_b"]["per_sample_stats"]
    assert math.sqrt(float(stats["rev_opt_var"])) / 0.5 == pytest.approx(1.29, abs=0.005)
    assert float(stats["rev_opt_lambda"]) == pytest.approx(1 / (math.e - 1))
