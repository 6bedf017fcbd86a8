"""The table of published models: each is a configuration, tables build on one another, nulls are nulls."""

from __future__ import annotations

import pytest

from fathom.errors import FathomError
from fathom.weights.published import known_config, published_config, published_models


def test_every_published_shape_is_a_configuration() -> None:
    assert all(published_config(name) is not None for name in published_models())
    assert published_config("GPT-4") is None


def test_a_name_that_must_be_known_is_told_which_are() -> None:
    assert known_config("deepseek-v2-lite").num_hidden_layers == 27
    with pytest.raises(FathomError, match=r"DeepSeek-V2-Lite, .*GLM-4\.7-Flash"):
        known_config("GPT-4")


def test_a_table_takes_over_what_it_does_not_say_itself() -> None:
    models = published_models()
    lite, v2 = models["DeepSeek-V2-Lite"], models["DeepSeek-V2"]
    assert (lite["q_lora_rank"], v2["q_lora_rank"]) == (None, 1536)
    assert lite["rope_scaling"] == v2["rope_scaling"]
    assert models["DeepSeek-V2.5"]["rope_scaling"] == v2["rope_scaling"] | {"mscale": 1.0, "mscale_all_dim": 1.0}
    assert models["ESFT-vanilla-lite"]["rope_scaling"] is models["GLM-4.7-Flash"]["bos_token_id"] is None
    assert models["GLM-4.7-Flash"].keys() - lite.keys() == {"pad_token_id", "num_nextn_predict_layers"}
    assert not any({"like", "null"} & raw.keys() for raw in models.values())
