"""How often answers loop under several sampling settings: the evidence for the shipped model's defaults.

    python bench/loops.py [MODEL] [--seeds 3] [--max-tokens 300]

An answer loops when it repeats itself or runs into max_tokens (:func:`fathom.eval.scorers.loops`). The prompts are
everyday ones, zh and en. Prints one JSON line a setting: loop rate, share of answers in the language of the question,
mean length, distinct answers over the seeds.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re

from fathom import LLM
from fathom.eval.scorers import loops

PROMPTS = (
    "你好", "请介绍一下你自己。", "给我讲一个关于小狗的故事。", "今天心情不好，怎么办？", "写一首关于秋天的诗。",
    "怎么煮米饭？", "推荐三个周末活动。", "为什么天空是蓝色的？", "帮我写一封请假邮件。", "解释一下什么是机器学习。",
    "把“我喜欢读书”翻译成英文。", "小明有5个苹果，吃了2个，还剩几个？", "列出五种水果。", "怎样学好英语？",
    "Hello!", "Who are you?", "Tell me a short story about a cat.", "I feel tired today. Any advice?",
    "Write a poem about the sea.", "How do I make tea?", "Suggest three weekend activities.", "Why is the sky blue?",
    "Write an email asking for a day off.", "What is machine learning?", "Translate 'good morning' into Chinese.",
    "Tom has 5 apples and eats 2. How many are left?", "List five fruits.", "What is the capital of France?",
)  # fmt: skip
SETTINGS = tuple(
    {"temperature": t, "top_p": p, "repetition_penalty": r}
    for t, p, r in itertools.product((0.0, 0.3, 0.6, 0.8), (0.9, 1.0), (1.0, 1.05, 1.1, 1.2))
    if t > 0 or p == 1.0
)
CJK = re.compile("[\u3400-\u9fff]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", default="mini")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--max-tokens", type=int, default=300)
    args = parser.parse_args()
    llm = LLM(args.model)
    for setting in SETTINGS:
        seeds = range(args.seeds if setting["temperature"] > 0 else 1)
        looped, same_language, lengths, answers = [], [], [], set()
        for prompt, seed in itertools.product(PROMPTS, seeds):
            message = [{"role": "user", "content": prompt}]
            done = llm.chat(message, seed=seed, max_tokens=args.max_tokens, **setting)
            looped.append(loops(done.token_ids, done.finish_reason))
            translation = "翻译" in prompt or "Translate" in prompt
            same_language.append(translation or bool(CJK.search(prompt)) == bool(CJK.search(done.text)))
            lengths.append(done.completion_tokens)
            answers.add((prompt, done.text))
        n = len(looped)
        row = {
            **setting,
            "n": n,
            "loop_rate": round(sum(looped) / n, 3),
            "same_language": round(sum(same_language) / n, 3),
            "mean_tokens": round(sum(lengths) / n, 1),
            "distinct": round(len(answers) / n, 3),
        }
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
