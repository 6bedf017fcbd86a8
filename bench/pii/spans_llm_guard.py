"""Lines of ``{"id", "language", "text"}`` in, lines of ``{"id", "spans": [[start, end, type], ...]}`` out: LLM Guard.

The Anonymize scanner without its transformer, whose weights are no package: its own patterns and the recognisers of
Presidio it loads, its own rules for what overlaps. spaCy's English NER, which it would replace by its transformer,
stays in, so that it has a chance at names.
"""

from __future__ import annotations

import json
import logging
import sys

from llm_guard.input_scanners.anonymize import Anonymize
from llm_guard.input_scanners.anonymize_helpers.analyzer import _add_recognizers
from llm_guard.input_scanners.anonymize_helpers.regex_patterns import get_regex_patterns
from llm_guard.util import configure_logger
from peer_types import LLM_GUARD
from pipelines import Pipelines
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

LANGUAGES = ["en", "zh"]
THRESHOLD = 0.5  # its own


def analyzer() -> AnalyzerEngine:
    pipelines = Pipelines()
    registry = RecognizerRegistry(supported_languages=LANGUAGES)
    registry.load_predefined_recognizers(nlp_engine=pipelines)
    registry = _add_recognizers(registry, get_regex_patterns(), [], LANGUAGES)
    return AnalyzerEngine(registry=registry, nlp_engine=pipelines, supported_languages=LANGUAGES)


def main() -> None:
    logging.disable(logging.WARNING)
    configure_logger("ERROR")
    engine = analyzer()
    threshold = float(sys.argv[1]) if len(sys.argv) > 1 else THRESHOLD
    scanner = Anonymize.__new__(Anonymize)  # its methods, without the weights that __init__ loads
    for line in sys.stdin:
        sentence = json.loads(line)
        text, language = Anonymize.remove_single_quotes(sentence["text"]), sentence["language"]
        results = engine.analyze(text, language, entities=list(LLM_GUARD), score_threshold=threshold)
        results = scanner._remove_conflicts_and_get_text_manipulation_data(results)
        results = Anonymize._merge_entities_with_whitespace_between(text, results)
        print(json.dumps({"id": sentence["id"], "spans": [(r.start, r.end, r.entity_type) for r in results]}))


if __name__ == "__main__":
    main()
