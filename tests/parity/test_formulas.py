"""The yardstick itself: the formulas equal transformers' classes wherever those are right, and only there."""

from __future__ import annotations

import numpy as np
import pytest
from huggingface_hub.errors import StrictDataclassFieldValidationError

from parity.cases import TRANSFORMERS_RIGHT, case
from parity.truth import TOLERANCE, formulas, transformers_logits


@pytest.mark.parametrize("name", TRANSFORMERS_RIGHT)
def test_formulas_equal_transformers(name, truth):
    assert np.abs(formulas(case(name)) - truth(name)).max() < TOLERANCE


@pytest.mark.parametrize("name", ["v2_norm_topk_prob", "v3_softmax", "v2_every_second_layer"])
def test_transformers_ignores_the_setting(name, folder):
    """When this fails, transformers was mended: move the case to the right ones."""
    assert np.abs(formulas(case(name)) - transformers_logits(folder(name), case(name).tokens)).max() > 0.1


@pytest.mark.parametrize("name", ["vl2_noaux_tc", "v2_no_shared_experts"])
def test_transformers_cannot_run_it(name, folder):
    with pytest.raises((UnboundLocalError, StrictDataclassFieldValidationError)):
        transformers_logits(folder(name), case(name).tokens)
