"""The looks of kinds of rules: every rule has one, and they can be told apart."""

import pytest

from rnnjax.figures import RULE_KINDS, rule_kind


def test_a_rule_with_values_of_its_fields_has_the_kind_of_the_rule_unless_it_is_named_in_full():
    assert rule_kind("TruncatedBPTT(window=3)") == rule_kind("TruncatedBPTT")
    assert rule_kind("SnAp(n=2)") == rule_kind("RTRL") != rule_kind("SnAp")


def test_no_rule_has_two_kinds_and_no_two_kinds_look_alike():
    rules = [rule for known in RULE_KINDS.values() for rule in known]
    assert len({*rules}) == len(rules)
    assert len({look.colour for look in RULE_KINDS}) == len(RULE_KINDS)
    assert len({look.marker for look in RULE_KINDS}) == len(RULE_KINDS)


def test_a_rule_of_no_kind_is_refused():
    with pytest.raises(KeyError, match="Nothing"):
        rule_kind("Nothing")
