"""Colours: that every text can be read in both themes, and that a colour says sign and magnitude."""

from itertools import pairwise, product

import pytest

from autodiff import Value, draw
from autodiff.show.words import theme
from autodiff.show.words.theme import PALETTE, contrast, luminance, tone

FILLS = [name for name in PALETTE if name not in ("ink", "focus") and not name.endswith("line")]


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#ffffff", "#000000") == 21.0
    assert contrast("#777777", "#ffffff") == contrast("#ffffff", "#777777") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_has_contrast_on_every_fill_in_both_themes(dark: bool) -> None:
    for ink, fill in product(("ink", "line"), FILLS):
        least = 4.5 if ink == "ink" or not dark else 3.0  # a line is no text: 3 is enough
        assert contrast(PALETTE[ink][dark], PALETTE[fill][dark]) >= least, (ink, fill)
    for line in ("positive line", "negative line", "focus"):
        assert contrast(PALETTE[line][dark], PALETTE["paper"][dark]) >= 4.5, line


def test_each_light_colour_stands_for_one_dark_colour() -> None:
    assert len({light for light, _ in PALETTE.values()}) == len(PALETTE)


def channels(colour: str) -> tuple[int, int, int]:
    red, _, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, blue, red - blue


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_positive_is_blue_and_negative_orange_which_the_colour_blind_tell_apart(dark: bool) -> None:
    for step in "1234":
        assert channels(PALETTE[f"+{step}"][dark])[2] < 0 < channels(PALETTE[f"-{step}"][dark])[2]
    assert channels(PALETTE["positive line"][dark])[2] < 0 < channels(PALETTE["negative line"][dark])[2]


@pytest.mark.parametrize("sign", "+-")
def test_larger_is_deeper(sign: str) -> None:
    for paler, deeper in pairwise("1234"):
        light, dark = zip(PALETTE[sign + paler], PALETTE[sign + deeper], strict=True)
        assert luminance(light[0]) > luminance(light[1])
        assert luminance(dark[0]) < luminance(dark[1])


def test_tone_is_sign_and_logarithm_of_the_magnitude() -> None:
    assert [tone(x, 10.0) for x in (10.0, 2.0, -0.5, 0.01, -1e-300)] == ["+4", "+3", "-2", "+1", "-1"]
    assert [tone(x, 10.0) for x in (0.0, -0.0, float("nan"), float("-inf"), "seven")] == ["zero", "zero"] + ["bad"] * 3
    assert tone(5e-324, 1e308) == "+1"
    assert tone(5e-324, 5e-324) == "+4"


def test_auto_follows_the_reader_and_the_others_do_not() -> None:
    pictures = {name: draw(Value(1.0, "x") * 2.0, theme=name).digraph.source for name in ("auto", "light", "dark")}
    assert pictures["auto"] == pictures["light"] != pictures["dark"]
    assert PALETTE["paper"][0] in pictures["auto"]
    assert PALETTE["paper"][1] in pictures["dark"]
    assert theme.style_sheet("a", "light") == theme.style_sheet("a", "dark") == ""
    rules = theme.style_sheet("a", "auto")
    assert rules.startswith("#a{color-scheme:light dark}")
    assert rules.count("#a [") == 2 * len(PALETTE)  # each rule is of this drawing alone
    assert f'#a [fill="{PALETTE["ink"][0]}"]{{fill:light-dark({PALETTE["ink"][0]},{PALETTE["ink"][1]})}}' in rules
