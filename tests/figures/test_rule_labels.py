"""The words of rules: every rule has some, and those of claims stay as they are."""

import pytest

from rnnjax import catalog
from rnnjax.figures import rule_label, rule_look


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BPTT", "BPTT"),
        ("BPTT(window=3)", "BPTT, window 3"),
        ("SnAp", "SnAp-1"),
        ("SnAp(n=20)", "SnAp-20"),
        ("KFRTRL", "KF-RTRL"),
        ("ReverseKFRTRL", "reverse KF-RTRL"),
        ("KeRNL", "KeRNL"),
        ("NodePerturbation(sigma=0.01)", "node perturbation, sigma 0.01"),
        ("EProp(autapse=False)", "e-prop"),
        ("RFLO(feedback=random)", "RFLO, random feedback"),
        ("DiscountedRTRL(decay=0.5)", "discounted RTRL, decay 0.5"),
        ("TruncatedBPTT(window=10, carries=False)", "truncated BPTT, window 10"),
    ],
)
def test_the_words_of_a_rule(name, words):
    assert rule_label(name) == words


def test_rules_have_words_of_their_own():
    names = catalog.entries("rules")
    assert len({rule_label(name) for name in names}) == len(names)


def test_looks_of_rules_differ_and_take_what_is_given():
    names = ("BPTT", "RTRL", "EProp", "UORO", "NodePerturbation", "SnAp(n=2)", "SnAp(n=3)")
    looks = [rule_look(name) for name in names]
    assert len({(look.colour, look.marker) for look in looks}) == len(names)
    assert [look.label for look in looks] == [rule_label(name) for name in names]
    assert rule_look("BPTT(window=3)", label="short", size=4).label == "short"
