"""Unedited answers to fixed prompts, at the default sampling of a model: the conversations of a model card.

    python bench/answers.py [MODEL] [--prompts bench/prompts_mini.jsonl] [--seed 1] [--greedy]

Prints Markdown: a table a language and kind of prompt, in the order of the file. Nothing is chosen or left out; an
answer that ran into the limit of 200 tokens ends with an ellipsis in brackets.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path

from fathom import LLM

TOKENS = 200


def cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", "<br>")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="mini")
    parser.add_argument("--prompts", type=Path, default=Path(__file__).with_name("prompts_mini.jsonl"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--greedy", action="store_true")
    args = parser.parse_args()
    llm = LLM(args.model)
    sampling = {"temperature": 0.0, "repetition_penalty": 1.0} if args.greedy else {"seed": args.seed}
    prompts = [json.loads(line) for line in args.prompts.read_text("utf-8").splitlines()]
    for group, items in itertools.groupby(prompts, key=lambda item: item["id"].rpartition("-")[0]):
        print(f"\n**{group}**\n\n| prompt | answer |\n|---|---|")
        for item in items:
            done = llm.chat([{"role": "user", "content": item["prompt"]}], max_tokens=TOKENS, **sampling)
            more = " [...]" if done.finish_reason == "length" else ""
            print(f"| {cell(item['prompt'])} | {cell(done.text)}{more} |", flush=True)


if __name__ == "__main__":
    main()
