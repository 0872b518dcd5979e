"""RFID tags: one spelling for comparison, and hashes that give nothing away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulo_exporter.models.charger import Tags, normal_tag

TAG = "04A1B2C3D4E580"


@pytest.mark.parametrize(
    "spelling", [TAG, TAG.lower(), "04:A1:B2:C3:D4:E5:80", "04-a1 b2-c3\td4:E580", f" {TAG} "]
)
def test_spellings_of_one_tag_are_equal(spelling):
    assert normal_tag(spelling) == TAG


@given(st.text())
def test_the_compared_spelling_is_compared_as_itself(tag):
    assert normal_tag(normal_tag(tag)) == normal_tag(tag)


@given(st.text(alphabet="0123456789ABCDEF", min_size=8, max_size=20))
def test_a_hash_shows_nothing_of_the_tag_and_is_the_same_for_each_spelling(tag):
    tags = Tags({}, "hash")
    shown = tags.shown(tag)
    assert len(shown) == 16
    assert tag[:8] not in shown.upper()
    assert tags.shown(tag.lower()) == shown
