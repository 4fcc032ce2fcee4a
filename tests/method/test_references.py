"""A name that nothing has is found out when the method is built, wherever it stands."""

from dataclasses import replace

import pytest
from torch import nn

from ilk.core import Output
from ilk.kin import (
    Added,
    Assigned,
    Clustermates,
    CommonSource,
    FormerNeighbours,
    Neighbours,
    OwnClass,
    SameCluster,
    Sinkhorn,
    Union,
)
from ilk.method import FromMemory, Head, NearestNeighbour, Pretrained, Remember
from tests.laws.world import SMALL, small_method

WRONG = Output("teacher", "b", "projecter")
NEAR = "an output of teacher must be known, got 'projecter'; did you mean projector?"


def term(method, **changes):
    return replace(method, terms=(replace(method.terms[0], **changes),))


CHANGES = {
    "candidate": lambda m: term(m, candidates=(WRONG,)),
    "kin": lambda m: term(m, kin=Neighbours(k=1, by=WRONG)),
    "nested kin": lambda m: term(
        m, kin=Union(rules=(CommonSource(), Added(by=WRONG, rule=CommonSource())))
    ),
    "looked up": lambda m: term(m, candidates=(NearestNeighbour(WRONG, "queue"),)),
    "remembered": lambda m: replace(m, remember=(Remember("queue", (WRONG,)),)),
}


@pytest.mark.parametrize("where", CHANGES)
def test_a_misspelt_head_is_named_with_the_nearest(where):
    with pytest.raises(ValueError, match=NEAR):
        CHANGES[where](small_method("moco-v2"))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (Output("student", "c", "projector"), "a view of student must be known, got 'c'"),
        (Output("student", "a~", "projector"), "a view of student must be known, got 'a~'"),
        (Output("teacher", "a", "predictor"), "got 'predictor'; did you mean projector"),
        (Output("student", "a", "scores"), "got 'scores'; choose from feature, map, "),
    ],
)
def test_what_a_network_does_not_show_is_refused(output, words):
    with pytest.raises(ValueError, match=words):
        term(small_method("moco-v3"), candidates=(output,))


def test_a_mixed_method_may_refer_to_mixed_views():
    method = small_method("moco-v3", "sdmp")
    assert term(method, candidates=(Output("teacher", "a~", "projector"),))


def test_teachers_show_what_they_have():
    standing = replace(small_method("moco-v2"), terms=(), remember=())
    with pytest.raises(ValueError, match="of teacher must be known, got 'projector'; choose"):
        replace(small_method("moco-v2"), teacher=Pretrained("random:resnet_mini"))
    with pytest.raises(ValueError, match="of teacher must be known, got .*; there is none"):
        replace(small_method("moco-v2"), teacher=None)
    assert replace(standing, teacher=None)


KEY = Output("teacher", "b", "projector")


@pytest.mark.parametrize("part", [FromMemory("que"), NearestNeighbour(KEY, "que")])
def test_a_misspelt_memory_is_named_with_the_nearest(part):
    method = small_method("moco-v2")
    with pytest.raises(ValueError, match="must be known, got 'que'; did you mean queue"):
        term(method, candidates=(part,))
    remember = (replace(method.remember[0], memory="que"),)
    with pytest.raises(ValueError, match="memory of Remember must be known"):
        replace(method, remember=remember)


def test_a_head_that_a_rule_asks_for_must_be_there():
    with pytest.raises(ValueError, match="head of SameCluster must be known, got 'prototypes'"):
        term(small_method("moco-v2"), kin=SameCluster())
    method = small_method("moco-v2")
    heads = {**method.heads, "prototypes": Head(nn.Linear(32, 3), on="projector")}
    assert term(replace(method, heads=heads), kin=SameCluster())


def test_heads_are_looked_at_too():
    method = small_method("moco-v2")
    heads = {**method.heads, "classes": Head(nn.Linear(32, 3), on="projecter")}
    with pytest.raises(ValueError, match="got 'projecter'; did you mean projector"):
        replace(method, heads=heads)


@pytest.mark.parametrize("name", SMALL)
def test_every_method_is_whole(name):
    assert small_method(name).heads


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (Neighbours(k=1, among="que"), "among of Neighbours"),
        (Neighbours(k=1, within=FormerNeighbours(k=1, past="que")), "past of FormerNeighbours"),
        (CommonSource() - Clustermates(clusters="que"), "clusters of Clustermates"),
        (OwnClass(labels="que"), "labels of OwnClass"),
        (Assigned(by=KEY, temperature=1.0, centre="que"), "centre of Assigned"),
        (Sinkhorn(by=KEY, pool="que"), "pool of Sinkhorn"),
    ],
)
def test_a_memory_that_a_rule_asks_for_must_be_there(rule, field):
    with pytest.raises(ValueError, match=f"{field} must be known, got 'que'; did you mean que"):
        term(small_method("moco-v2"), kin=rule)
