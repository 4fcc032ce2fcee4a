"""What the pages say of scores."""

from ilk.viewer.names import fitting_words

OWN = "The run's own classifier was scored as it stands"
PROBES = (
    "Probes were fitted on 1,200 labelled training images, and their settings were chosen on a "
    "held-out part of those."
)


def test_what_was_fitted_before_scores_were_taken():
    assert fitting_words(["classify@1"], 1200) == f"{OWN}; nothing was fitted."
    assert fitting_words(["knn@1", "linear@1"], 1200) == PROBES
    assert fitting_words(["knn@1", "classify@1"], 1200) == f"{PROBES} {OWN}."
