"""What a report says, in English and Chinese."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TASKS", "TEXTS", "title", "words"]

# task: ((English, Chinese), what is asked: (English, Chinese))
TASKS: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "minimal_pairs": (
        ("Minimal pairs", "最小对立句"),
        ("of two sentences that differ in one point, the right one is likelier", "两句只差一处，正确的那句概率更高"),
    ),
    "options": (
        ("Options", "选项"),
        ("of four answers, the right one is likeliest, per token", "四个回答中，正确的每 token 概率最高"),
    ),
    "intents": (
        ("Intents", "意图"),
        ("a customer's message gets one of six labels", "为顾客留言选六个标签之一"),
    ),
    "extraction": (
        ("Extraction", "信息抽取"),
        ("a message becomes JSON; share of right fields", "把消息变成 JSON；正确字段的比例"),
    ),
    "grounded": (
        ("Grounded answers", "有据回答"),
        ("the answer and its sentence, or that the text does not say", "给出答案和原句，或说明文中没有"),
    ),
    "tables": (("Tables", "表格"), ("a value of a small table", "从小表格中找一个值")),
    "arithmetic": (("Arithmetic", "算术"), ("the number that comes out", "算出的数")),
    "tools": (("Tool calls", "工具调用"), ("the right tool with the right arguments", "正确的工具和参数")),
    "translation": (
        ("Translation", "翻译"),
        ("one sentence into the other language; chrF", "把一句话译成另一种语言；chrF"),
    ),
    "constraints": (("Constraints", "指令约束"), ("length, form or words as told", "按要求的长度、形式或用词")),
    "everyday": (
        ("Language of the answer", "回答的语言"),
        ("everyday questions are answered in their language", "日常问题用提问的语言回答"),
    ),
    "repetition": (
        ("Repetition", "重复"),
        ("share of everyday answers that loop; less is better", "日常回答中陷入重复的比例；越低越好"),
    ),
    "needle": (
        ("Needle", "大海捞针"),
        ("a code that stands in a text of 512 to 1,536 tokens", "找出 512 到 1536 token 长文中的密码"),
    ),
    "bits_per_byte": (
        ("Bits per byte", "每字节比特数"),
        ("of new prose; the line is xz -9; less is better", "新写的文章；虚线为 xz -9；越低越好"),
    ),
}
TEXTS: Mapping[str, tuple[str, str]] = {
    "heading": ("How good the models are", "模型评测"),
    "task": ("task", "任务"),
    "language": ("language", "语言"),
    "mode": ("decoding", "解码"),
    "n": ("n", "题数"),
    "chance": ("chance", "随机水平"),
    "zh": ("Chinese", "中文"),
    "en": ("English", "英文"),
    "greedy": ("greedy", "贪心"),
    "sampled": ("sampled", "采样"),
    "likelihood": ("likelihood", "似然"),
    "model": ("model", "模型"),
    "speed": ("{n} tokens a second", "每秒 {n} token"),
    "skipped": ("left out", "未测"),
    "too_long": ("too long for the context, counted as failed: {n}", "{n} 题超出上下文，按答错计"),
    "numbers": ("Numbers", "数值"),
    "key": (
        "Bars: score from 0 to 1 with its 95 % bootstrap interval. Dashed: chance. ▲ ▼: better or worse than the first "
        "model, the intervals apart.",
        "条形：0 到 1 的得分及 95% 自助法区间。虚线：随机水平。▲ ▼：优于或劣于第一个模型，且区间不重叠。",
    ),
    "differ": (
        "These results are not of the same items and rules of scoring, so they don't compare.",
        "这些结果所用的题目或评分规则不同，不能相互比较。",
    ),
    "windows": (
        "Bits per byte are over windows of {windows} tokens, so they don't compare; `fathom eval bpb --context` makes "
        "them alike.",
        "每字节比特数所用的窗口长度不同（{windows} 个 token），不能相互比较；可用 `fathom eval bpb --context` 统一。",
    ),
    "limited": ("Only some of the items were asked.", "只测了部分题目。"),
}


def words(key: str, language: str) -> str:
    """Of :data:`TEXTS`; a key that isn't there is its own word."""
    return TEXTS[key][language == "zh"] if key in TEXTS else key


def title(task: str, language: str) -> tuple[str, str]:
    """Name and question of a task; one that isn't known has its own name and no question."""
    if task not in TASKS:
        return task, ""
    name, asked = TASKS[task]
    return name[language == "zh"], asked[language == "zh"]
