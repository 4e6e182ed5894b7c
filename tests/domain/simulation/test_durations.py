"""Distributions of durations, read from text and asked for quantiles."""

import pytest

from poolwright.domain.simulation.durations import Empirical, Fixed, Lognormal, Normal, Uniform, parse_duration


class TestReading:
    @pytest.mark.parametrize(
        ("text", "duration"),
        [
            ("60", Fixed(seconds=60)),
            ("fixed:7.5", Fixed(seconds=7.5)),
            ("uniform:60-120", Uniform(low=60, high=120)),
            ("uniform: low=60, high=120", Uniform(low=60, high=120)),
            ("normal:p50=90,p95=120", Normal(p50=90, p95=120)),
            ("lognormal:p50=90,p95=240", Lognormal(p50=90, p95=240)),
            ("empirical:300,70,85", Empirical(seconds=(70, 85, 300))),
        ],
    )
    def test_every_distribution_has_a_form(self, text: str, duration: object) -> None:
        assert parse_duration(text) == duration

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("gamma:1", "it names no distribution"),
            ("soon", "seconds: Input should be a valid number"),
            ("fixed:-1", "greater than or equal to 0"),
            ("fixed:nan", "finite number"),
            ("uniform:9-3", "high \\(3\\) is below low \\(9\\)"),
            ("normal:p50=9", "p95: Field required"),
            ("normal:p50=9,p95=3", "p95 \\(3\\) is below p50 \\(9\\)"),
            ("lognormal:p50=0,p95=3", "p50 must be above 0"),
            ("lognormal:p50=1,p95=3,p99=9", "p99: Extra inputs"),
            ("empirical:", "at least 1 item"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_the_forms_that_can(self, text: str, said: str) -> None:
        with pytest.raises(ValueError, match=f"'{text}' cannot be used: .*{said}.*Write seconds as in fixed:60"):
            parse_duration(text)


class TestQuantiles:
    def test_the_percentiles_that_are_given_come_out(self) -> None:
        for duration in (Normal(p50=90, p95=240), Lognormal(p50=90, p95=240)):
            assert duration.at(0.5) == pytest.approx(90)
            assert duration.at(0.95) == pytest.approx(240)

    def test_a_normal_duration_is_never_negative(self) -> None:
        assert Normal(p50=10, p95=100).at(0.01) == 0

    def test_a_uniform_duration_lies_between_its_bounds(self) -> None:
        assert [Uniform(low=10, high=20).at(share) for share in (0, 0.5, 1)] == [10, 15, 20]

    def test_measured_times_come_out_as_often_as_they_were_measured(self) -> None:
        measured = Empirical(seconds=(80, 70, 300, 70))
        assert [measured.at(share) for share in (0.1, 0.3, 0.6, 0.999)] == [70, 70, 80, 300]
