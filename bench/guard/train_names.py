"""Trains the model of names (src/fathom/assets/guard/names.npz).

    PYTHONPATH=src:. python -m bench.guard.train_names --data DIR --jieba FILE --census DIR --out FILE

--data is a folder with the training corpora of `mini` (NOTICE lists them), --jieba the dictionary of jieba 0.42.1
(MIT), --census the folder of the package `names` 0.3.0 (MIT; frequencies of names in the United States census of 1990,
public domain). Needs zstandard and torch. Three to five minutes on one core.

Positives: templates filled with names; names between roles and what may follow; everyday sentences in which a pronoun
gives way to a name; sentences of encyclopaedia articles about persons and organisations, most of them renamed so that
the model learns the surroundings and not the persons. Negatives: every other candidate, and decoys. A first model
strikes those negatives of unlabelled text out that look like names; then a second one is trained.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from bench.guard import corpus
from bench.guard import inventories as inv
from bench.guard.corpus import HAN
from bench.guard.made import Made, Maker

from fathom._guard import NameModel, name_word_bits

N_FEATURES, BUCKETS, WORD_BITS = 24, 1 << 18, 1 << 22  # csrc/guard/names.h, as are the classes of words
CHINESE, ENGLISH, GIVEN, FAMILY, SURNAME, TITLE, ENDING, PLACE = range(1, 9)
SCALE = 0.04  # logit of one step of an int8 weight
_NEVER = "的了是我你您他她它们在有和与不就也都很这那个问让吗呢吧"
_PRODUCTS = (
    "Jenkins Maven Ruby Julia Alexa Siri Cortana Scala Ada Eclipse Oracle Jupyter Azure Kafka Gradle Docker Travis"
)
_SOURCES = """
    zh_ms_docs/docs-01 4000000, zh_recipes/docs 600000, zh_tech_books/docs 3000000, zh_freecodecamp/docs 1500000,
    crosswoz/dialogues 1500000, zh_k8s_docs/docs 1500000, oasst_zh/sft 1500000, zh_emollm/docs 5000000,
    zh_laws/laws 2500000, zh_lctt/docs 2000000, ms_support_zh/articles 1500000, written/service 500000,
    written/everyday-zh 500000, written/dialog-zh 500000, written/prose-zh 500000, kdconv_zh/dialogues 700000,
    zh_tech_blogs/docs 2000000, zhwiki/articles-02 6000000, zh_docs/pairs 1500000, enwiki/leads 8000000,
    sgd_dialogues/dialogues 3000000, python_docs_en_zh/pairs 3000000, intents_en/CLINC150 700000,
    intents_en/BANKING77 700000, written/everyday-en 500000, written/writing 500000
"""  # unlabelled text and how many characters of it


def build_words(args: argparse.Namespace) -> tuple[np.ndarray, set[str]]:
    """The word filter (ordinary words, names, titles, endings, places) and the ordinary Chinese words."""
    entries: list[tuple[int, str]] = []
    for line in args.jieba.read_text(encoding="utf-8").splitlines():
        word, count, tag = line.split(" ")
        if re.fullmatch(f"[{HAN}]{{2,3}}", word) and not tag.startswith("nr") and int(count) >= 3:
            entries.append((CHINESE, word))
    words = {word for _, word in entries}
    compound = inv.COMPOUND + [name for name in inv.JAPANESE if len(name) == 2]
    places = corpus.all_places()
    for word_class, names in ((SURNAME, compound), (ENDING, inv.ORGANISATION_ENDS), (PLACE, places)):
        edge = -1 if word_class == ENDING else 0
        entries += [(word_class, name) for name in names] + [(word_class, name[edge] + "*") for name in names]
    entries += [(SURNAME, name) for name in inv.SURNAMES] + [(TITLE, title) for title in inv.TITLES]
    lower: Counter[str] = Counter()
    for name in ("enwiki/leads", "sgd_dialogues/dialogues", "python_docs_en_zh/pairs"):
        for text in corpus.texts(args.data, name, 30_000_000):
            lower.update(re.findall(r"(?<![A-Za-z])[a-z]{2,}(?![A-Za-z])", text))
    entries += [(ENGLISH, word) for word, count in lower.items() if count >= 25]
    for name, share in (("male", 0.004), ("female", 0.003)):
        table = [line.split() for line in (args.census / f"dist.{name}.first").read_text().splitlines()]
        entries += [(GIVEN, row[0].lower()) for row in table if float(row[1]) >= share]
    last = (args.census / "dist.all.last").read_text().splitlines()[:12_000]
    entries += [(FAMILY, line.split()[0].lower()) for line in last]
    entries += [(GIVEN, name.lower()) for name in inv.FOREIGN_FIRST]
    entries += [(FAMILY, name.lower()) for name in inv.FOREIGN_FAMILY + inv.PINYIN_SURNAMES]
    bits = np.zeros(WORD_BITS // 8, np.uint8)
    for word_class, word in entries:
        for bit in name_word_bits(word_class, word):
            bits[bit >> 3] |= 1 << (bit & 7)
    print(f"{len(entries):,} words, {np.unpackbits(bits).mean():.3f} of the bits")
    return bits, words


class Examples:
    """Features and labels of candidates, gathered from texts."""

    def __init__(self, model: NameModel, words: set[str]) -> None:
        self.model, self.words = model, words | set(_PRODUCTS.split())
        self.features: list[np.ndarray] = []  # (n, 24) int32
        self.labels: list[np.ndarray] = []
        self.strike: list[np.ndarray] = []  # logit of the first model above which an example is struck out

    def add(self, texts: Iterable[Made], unlabelled: bool) -> None:
        stream = iter(texts)
        while batch := list(islice(stream, 500)):
            text, names = "", set()
            for made in batch:
                names |= {(start + len(text), end + len(text)) for start, end in made.names}
                text += made.text + "\n"
            places, features = self.model.candidates(text)
            covered = np.zeros(len(text) + 1, bool)
            for start, end in names:
                covered[start:end] = True
            self.features.append(features.astype(np.int32))
            self.labels.append(np.array([(start, end) in names for start, end, _ in places.tolist()], np.float32))
            limits = [
                np.inf if not unlabelled or covered[start:end].any() else self.limit(text[start:end])
                for start, end, _ in places.tolist()
            ]
            self.strike.append(np.array(limits, np.float32))

    def limit(self, name: str) -> float:
        """How name-like a candidate of unlabelled text must be to be taken for a name: words hardly ever are."""
        if name in self.words or name[:2] in self.words or name[1:] in self.words or set(name) & set(_NEVER):
            return 1.5
        return 0.5 if len(name) == 2 else -2.0


def fit(features: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor, epochs: int) -> torch.Tensor:
    """Logistic regression over hashed features by Adagrad, as few features are common: the weights, (BUCKETS,)."""
    w, squares = torch.zeros(BUCKETS), torch.full((BUCKETS,), 1e-8)
    generator = torch.Generator().manual_seed(16)
    for epoch in range(epochs):
        loss, rate = 0.0, 0.25 / (1 + epoch)
        for batch in torch.randperm(len(labels), generator=generator).split(2048):
            x, y, c = features[batch], labels[batch], weight[batch]
            logit = w[x].sum(1)
            error = (torch.sigmoid(logit) - y) * c
            used, inverse = x.flatten().long().unique(return_inverse=True)
            gradient = torch.zeros(len(used)).index_add_(0, inverse, error.repeat_interleave(N_FEATURES))
            gradient += 2e-3 * w[used]
            squares[used] += gradient**2
            w[used] -= rate * gradient / squares[used].sqrt()
            w[0] = 0  # the bucket of absent features
            loss += float((torch.nn.functional.binary_cross_entropy_with_logits(logit, y, reduction="none") * c).sum())
        print(f"epoch {epoch}: loss {loss / float(weight.sum()):.4f}")
    return w


def gather(args: argparse.Namespace, model: NameModel, words: set[str]) -> Examples:
    maker, examples = Maker(args.data, args.census, words), Examples(model, words)
    for zh in (True, False):
        examples.add(maker.templates(zh, args.each), unlabelled=False)
        examples.add(maker.roles(zh, 110_000 if zh else 60_000), unlabelled=False)
        examples.add(maker.decoys(zh, 70_000 if zh else 40_000), unlabelled=False)
        examples.add(maker.pronouns(zh, 60_000 if zh else 40_000), unlabelled=False)
    examples.add(maker.articles(), unlabelled=True)
    examples.add(maker.articles_english(), unlabelled=True)
    titles = "|".join(title for title in inv.TITLES if len(title) > 1)
    plain = re.compile(rf"(?<![{HAN}])([{inv.PLAIN}])(?:{titles})")  # these are names without doubt
    for source in _SOURCES.split(","):
        name, limit = source.split()
        texts = corpus.texts(args.data, name, int(limit))
        examples.add((Made(text, {m.span(1) for m in plain.finditer(text)}) for text in texts), unlabelled=True)
    return examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "jieba", "census", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--each", type=int, default=100, help="sentences of one template")
    parser.add_argument("--positive", type=float, default=4.0, help="weight of a name against that of no name")
    args = parser.parse_args()
    bits, words = build_words(args)
    examples = gather(args, NameModel(bits, np.zeros(BUCKETS, np.int8), SCALE), words)
    features = torch.from_numpy(np.concatenate(examples.features))
    labels = torch.from_numpy(np.concatenate(examples.labels))
    strike = torch.from_numpy(np.concatenate(examples.strike))
    print(f"{len(labels):,} candidates, {int(labels.sum()):,} names")
    weight = 1 + (args.positive - 1) * labels
    first = fit(features, labels, weight, epochs=2)
    score = torch.cat([first[x].sum(1) for x in features.split(1 << 20)])
    kept = (labels > 0) | (score <= strike)
    print(f"{int((~kept).sum()):,} struck out")
    w = fit(features[kept], labels[kept], weight[kept], epochs=4)
    steps = np.clip(np.rint(w.numpy() / SCALE), -127, 127).astype(np.int8)
    np.savez_compressed(args.out, words=bits, weights=steps, scale=np.float32(SCALE))


if __name__ == "__main__":
    main()
