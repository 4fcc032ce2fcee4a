"""SDMP's golden losses, labels and gradients through the real code, in float64 to 1e-10.

No number is repeated here: other numbers of the same layout must pass as well.
"""

from itertools import product

import pytest
import torch

from ilk.core import Composition, Kin, Output, Progress, overlap
from ilk.kin import Assigned
from ilk.memory import Centre
from ilk.objectives import SoftCrossEntropy, soft_cross_entropy_rows
from tests.golden.sdmp import (
    GOLDEN,
    agree,
    entry,
    kin,
    mixed,
    numbers,
    partners,
    plain,
    rows,
    tensor,
)
from tests.kin.context import FakeLook

NOW = Progress(0, 1, 1.0)


def part_of(composition: Composition, rank: int, size: int) -> Composition:
    own = slice(rank * size, (rank + 1) * size)
    return Composition(composition.sources[own], composition.shares[own])


def check_term(case: dict, queries, keys, found: Kin, tau: float) -> torch.Tensor:
    """Logits, labels, losses and both gradients of one term; the loss is returned."""
    raw = tensor(queries).requires_grad_()
    units = [torch.nn.functional.normalize(r, dim=1) for r in (raw, tensor(keys))]
    logits = (units[0] @ units[1].T / tau).detach().requires_grad_()
    agree(logits.detach(), case["logits"])
    agree(found.weights, case["labels"])
    per_sample = soft_cross_entropy_rows(logits, found)
    agree(per_sample.detach(), case["per_sample"])
    agree(torch.autograd.grad(per_sample.mean(), logits)[0], case["grad_mean_wrt_logits"])
    loss = SoftCrossEntropy(temperature=tau)(raw, (tensor(keys),), found, NOW)
    agree(loss.detach(), case["mean"])
    agree(2 * tau * loss.detach(), case["mean_times_2tau"])
    agree(torch.autograd.grad(2 * tau * loss, raw)[0], case["grad_2tau_mean_wrt_raw_q"])
    return loss.detach()


@pytest.mark.parametrize("name", GOLDEN["labels"])
def test_labels(name):
    case = GOLDEN["labels"][name]
    lam, n = case["lam"], len(case["lam"])
    agree(kin(mixed(lam), plain(n)).weights, case["T_source"])
    agree(kin(mixed(lam), mixed(lam)).weights, case["T_mix"])
    check_common_share(case)


def check_common_share(case: dict) -> None:
    """Overlap of two mixes of a pair; a middle image has no partner to overlap with."""
    own = torch.arange(len(case["lam"]))
    other = partners(len(own))
    found = overlap(mixed(case["lam"]), mixed(case["lam"]))[own, other]
    agree(found[own != other], tensor(case["lam_c"])[own != other].tolist())


def moco_terms(case: dict) -> dict:
    raw, lam = case["raw"], case["lam"]
    n = len(lam)
    terms = {
        "clean": ("q_clean_a", "k_clean_b", kin(plain(n), plain(n))),
        "source": ("q_mix_b", "k_clean_a", kin(mixed(lam), plain(n))),
        "mix": ("q_mix_b", "k_mix_a", kin(mixed(lam), mixed(lam))),
    }
    return {
        name: check_term(case[name], raw[q], raw[k], labels, case["tau"])
        for name, (q, k, labels) in terms.items()
        if name in case
    }


def test_moco_terms_totals_and_gradients():
    case = GOLDEN["moco_n4"]
    check_common_share(case)
    term = moco_terms(case)
    totals, tau = case["totals"], case["tau"]
    half = 2 * tau * (term["clean"] + (term["source"] + term["mix"]) / 2)
    agree(half, entry(totals, "replace_default"))
    agree(2 * tau * sum(term.values()), entry(totals, "replace_unit_weights"))
    agree(term["source"] + term["mix"], entry(totals, "algorithm1"))


def test_moco_of_an_odd_batch():
    assert moco_terms(GOLDEN["moco_n3_odd"]).keys() == {"source", "mix"}


def test_the_sum_of_probabilities_never_stands_inside_the_logarithm():
    case = GOLDEN["moco_n4"]
    terms = moco_terms(case)
    for name, wrong in case["not_the_paper_log_of_mixture_means"].items():
        assert terms[name].item() > wrong + 1e-6  # Jensen: the mixture inside is never larger


@pytest.mark.parametrize("pairing", ["global", "local"])
def test_moco_on_several_ranks(pairing):
    base, case = GOLDEN["moco_n4"], GOLDEN["moco_distributed"][pairing]
    world, size, tau = case["world_size"], case["batch_per_rank"], base["tau"]
    raw, n = base["raw"], world * size
    mixes = mixed(base["lam"], groups=world if pairing == "local" else 1)
    keys = {"source": ("k_clean_a", plain(n)), "mix": ("k_mix_a", mixes)}
    means = {"source": [], "mix": []}
    for expected, (name, (field, gathered)) in product(case["ranks"], keys.items()):
        rank = expected["rank"]
        found = kin(part_of(mixes, rank, size), gathered)
        agree(found.weights, expected[f"labels_{name}"])
        own = tensor(raw["q_mix_b"][rank * size : (rank + 1) * size])
        loss = SoftCrossEntropy(temperature=tau)(own, (tensor(raw[field]),), found, NOW)
        agree(loss, expected[f"{name}_mean"])
        units = (torch.nn.functional.normalize(v, dim=1) for v in (own, tensor(raw[field])))
        scores = torch.mm(*(u if i == 0 else u.T for i, u in enumerate(units))) / tau
        agree(soft_cross_entropy_rows(scores, found), expected[f"{name}_per_sample"])
        means[name].append(loss)
    for name, losses in means.items():
        agree(torch.stack(losses).mean(), case[f"{name}_mean_over_ranks"])


def test_shares_that_differ_between_query_and_key():
    base, case = GOLDEN["moco_n4"], GOLDEN["label_mix_general"]
    found = kin(mixed(case["lam_q"]), mixed(case["lam_k"]))
    agree(found.weights, case["T_mix"])
    check_term(case["mix"], base["raw"]["q_mix_b"], base["raw"]["k_mix_a"], found, base["tau"])


class DINO:
    """The outputs of one DINO step, by name."""

    def __init__(self, case: dict) -> None:
        raw = case["raw"]
        teacher, teacher_mix = (tensor(entry(raw, f"teacher_{k}")) for k in ("clean", "mix"))
        n, classes = teacher.shape[1:]
        self.plain, self.mixes = plain(n), mixed(case["lam"])
        self.centre = Centre(classes).double()
        self.centre.value.copy_(tensor(case["center"]))
        self.clean = {
            Output("teacher", f"g{g}", "prototypes"): v for g, v in enumerate(teacher)
        }
        self.mixed = {
            Output("teacher", f"g{g}~", "prototypes"): v for g, v in enumerate(teacher_mix)
        }
        outputs = {o: rows(v, self.plain) for o, v in self.clean.items()}
        outputs |= {o: rows(v, self.mixes) for o, v in self.mixed.items()}
        self.context = FakeLook(outputs, {"centre": self.centre})
        self.tau = {"student": case["tau_student"], "teacher": case["tau_teacher"]}
        self.student = tensor(entry(raw, "student_clean"))
        self.student_mix = tensor(entry(raw, "student_mix"))

    def targets(self, by: Output, composition: Composition) -> Kin:
        rule = Assigned(by=by, temperature=self.tau["teacher"], centre="centre")
        empty = rows(torch.zeros(len(composition), 1), composition)
        return rule(empty, empty, self.context)

    def loss(self, by: Output, scores, composition: Composition) -> torch.Tensor:
        objective = SoftCrossEntropy(temperature=self.tau["student"])
        return objective(scores, (), self.targets(by, composition), NOW)

    def terms(self) -> dict[str, list[torch.Tensor]]:
        clean = [
            self.loss(by, scores, self.plain)
            for (g, by), (v, scores) in product(enumerate(self.clean), enumerate(self.student))
            if v != g
        ]
        source, mix = (
            [self.loss(by, s, self.mixes) for by, s in product(teachers, self.student_mix)]
            for teachers in (self.clean, self.mixed)
        )
        return {"dino": clean, "source": source, "mix": mix}


def test_dino_terms_and_total():
    case = GOLDEN["dino_n4"]
    check_common_share(case)
    terms = DINO(case).terms()
    assert {name: len(losses) for name, losses in terms.items()} == case["pairs"]
    means = {name: torch.stack(losses).mean() for name, losses in terms.items()}
    agree(means["dino"], case["L_DINO"])
    agree(means["source"], case["L_source"])
    agree(means["mix"], case["L_mix"])
    agree(sum(means.values()), case["L_total_eq9"])


def test_dino_teacher_probabilities():
    case = GOLDEN["dino_n4"]
    step = DINO(case)
    clean = torch.stack([step.targets(by, step.plain).weights for by in step.clean])
    agree(clean, case["teacher_probs_clean"])
    # A teacher row's own probabilities are what a query of its own, plain, item would get.
    alone = FakeLook(
        {by: rows(v, step.plain) for by, v in step.mixed.items()}, step.context.memories
    )
    step.context = alone
    mixes = torch.stack([step.targets(by, step.plain).weights for by in step.mixed])
    agree(mixes, case["teacher_probs_mix"])


@pytest.mark.parametrize("kinds", ["clean_only", "clean_and_mix"])
def test_dino_centre(kinds):
    case = GOLDEN["dino_n4"]
    (key,) = (k for k in case if k.startswith("center_next") and k.endswith(kinds))
    step = DINO(case)
    outputs = step.clean if kinds == "clean_only" else {**step.clean, **step.mixed}
    scores = torch.cat(list(outputs.values()))
    centre = Centre(scores.shape[1], momentum=numbers(key)[0]).double()
    centre.value.copy_(tensor(case["center"]))
    centre.remember(rows(scores, plain(len(scores))))
    agree(centre.value, case[key])
