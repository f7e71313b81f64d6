"""Labels come out as written, whatever is in them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autodiff as ad
from autodiff import Value, draw
from autodiff.show.words.text import clipped
from tests.show.pictures import HOSTILE, RENDERERS, every_renderer, groups, needs_svg, picture, texts


def lines_as_written(label: str) -> list[str]:
    """The lines that a drawing shows of a label, as far as it shows it: every character stands for itself."""
    return [line for line in clipped(label).replace("\xa0", " ").split("\n") if line.strip(" ")]


def label_in(svg: str | bytes) -> list[str]:
    *label, data, grad, _, _ = [text for text in texts(svg) if not text.startswith("∅")]
    assert (data, grad) == ("data", "grad")
    return [line for line in label if line.strip(" ")]


@every_renderer
@pytest.mark.parametrize("label", HOSTILE, ids=lambda label: ascii(label[:20]))
def test_labels_come_out_as_written(renderer: str, label: str) -> None:
    for direction in ("LR", "TB"):
        source = draw(Value(1.0, label), direction=direction).digraph.source
        assert label_in(RENDERERS[renderer](source)) == lines_as_written(label)


def is_plain(character: str) -> bool:
    return character == "\n" or not (ord(character) < 32 or 0x7F <= ord(character) < 0xA0)


PLAIN = st.characters(exclude_categories=["Cs"]).filter(lambda c: is_plain(c) and c not in "\ufffe\uffff")


@needs_svg
@given(st.text(PLAIN | st.sampled_from('\\{}|<>"& \n')))
def test_any_printable_label_comes_out_as_written(label: str) -> None:
    assert label_in(picture(Value(1.0, label))) == lines_as_written(label)


@needs_svg
@given(st.text(st.characters()))
@example("\x00\x0b\x1b\x7f\x85\r\r\n\ud800\ufffe")
def test_svg_of_any_label_is_xml(label: str) -> None:
    assert texts(picture(Value(1.0, label)))[-4:-2] == ["data", "grad"]


@every_renderer
def test_characters_that_xml_cannot_hold_are_replaced_visibly(renderer: str) -> None:
    source = draw(Value(1.0, "a\x00b\x0bc\x1bd\x7fe\x9bf\ud800g\uffffh\r\ni\rj")).digraph.source
    assert label_in(RENDERERS[renderer](source)) == ["a␀b␋c␛d␡e\ufffdf\ufffdg\ufffdh", "i", "j"]


@every_renderer
def test_tabs_are_shown_as_spaces(renderer: str) -> None:
    assert label_in(RENDERERS[renderer](draw(Value(1.0, "a\tb")).digraph.source)) == ["a   b"]


@needs_svg
def test_symbols_of_own_primitives_come_out_as_written() -> None:
    odd = ad.primitive("odd", evaluate=lambda x: x, partials=[lambda out, x: 1.0], symbol='<i>\\N & "x" {|}')
    assert ['<i>\\N & "x" {|}'] in groups(picture(odd(Value(1.0))), "node")
