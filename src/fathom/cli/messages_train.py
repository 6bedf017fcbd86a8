"""What the command line says about training data, training and evaluation."""

from __future__ import annotations

__all__ = ["TRAINING"]

# key: (English, Chinese)
TRAINING: dict[str, tuple[str, str]] = {
    # train
    "train": ("Train a model by a recipe; needs the extra [train].", "按配方训练模型；需要附加组件 [train]。"),
    "train.pretrain": (
        "Learn every token of the data, from new weights or a model's.",
        "学习数据中的每个 token，从新权重或已有模型开始。",
    ),
    "train.sft": ("Fine-tune a model: only answers are learnt.", "微调模型：只学习回答。"),
    "train.plot": (
        "Draw a run as one page: loss, rate, expert load, throughput.",
        "把一次训练画成一页：损失、学习率、专家负载、吞吐量。",
    ),
    "train.recipe": ("The run: model, data, phases, rate.", "训练内容：模型、数据、阶段、学习率。"),
    "train.run": (
        "Folder of the run; one that exists is continued. Default: runs/RECIPE.",
        "训练所在文件夹；已存在则继续。默认 runs/配方名。",
    ),
    "train.set": (
        "Change a key of the recipe, e.g. rate.peak=1e-3; may be given again.",
        "修改配方中的一项，如 rate.peak=1e-3；可重复给出。",
    ),
    "train.minutes": (
        "End this call after so many minutes, with a checkpoint; the same command goes on.",
        "到此分钟数时保存检查点并结束本次调用；再次执行同一命令即继续。",
    ),
    "train.folder": ("Folder of the run.", "训练所在文件夹。"),
    "train.out": ("Default: RUN/plot.html.", "默认 RUN/plot.html。"),
    "train.finished": ("finished at step {step}: {path}", "已完成，第 {step} 步：{path}"),
    "train.stopped": (
        "stopped at step {step}: {path}; the same command goes on",
        "停在第 {step} 步：{path}；再次执行同一命令即继续",
    ),
    "train.exported": ("the model: {path}", "模型：{path}"),
    # data
    "data": (
        "Training data: build token sets, carry them to another machine.",
        "训练数据：构建 token 集，带到另一台机器。",
    ),
    "data.build": (
        "Make token sets and a data card from a recipe: read, clean, remove duplicates, hold out, tokenise.",
        "按配方生成 token 集和数据卡：读取、清洗、去重、留出、分词。",
    ),
    "data.generate": (
        "Make typed tasks whose answers are right by construction.",
        "生成答案必然正确的类型化任务。",
    ),
    "data.family": (
        "arithmetic, edits, extract, format, grounded, intents, lists, metrics, sums, tables, tools or tutor.",
        "arithmetic、edits、extract、format、grounded、intents、lists、metrics、sums、tables、tools 或 tutor。",
    ),
    "data.examples": ("JSON lines with the conversations.", "写入对话的 JSON 行文件。"),
    "data.count": ("How many, all different.", "多少条，互不相同。"),
    "data.seed": ("Same seed, same tasks.", "种子相同，任务相同。"),
    "data.language": ("zh or en; may be given again. Default: both, by turns.", "zh 或 en，可重复给出。默认两者交替。"),
    "data.generating": ("making {what}", "生成 {what}"),
    "data.made": ("{count} examples", "{count} 条"),
    "data.pack": ("Pack token sets into compressed parts.", "把 token 集打包成若干压缩分卷。"),
    "data.unpack": (
        "Unpack parts, all at once or as they arrive; the last one completes and checks the sets.",
        "解开分卷，可一次或陆续进行；最后一卷到齐后校验。",
    ),
    "data.recipe": ("What goes in, in which form, under which licence.", "写明数据来源、形式和许可的配方。"),
    "data.out": (
        "Folder for the token sets and the data card; it must not hold them yet.",
        "存放 token 集和数据卡的文件夹，须尚不存在。",
    ),
    "data.from": (
        "Folder that the recipe's paths are looked for in. May be given again: the first that has a file counts.",
        "查找配方中路径的文件夹。可重复给出，以先找到者为准。",
    ),
    "data.tokenizer": ("Model whose tokenizer and chat template are used.", "使用其分词器和对话模板的模型。"),
    "data.sets": ("Folder of token sets.", "token 集所在的文件夹。"),
    "data.parts": ("Folder of parts.", "分卷所在的文件夹。"),
    "data.part_mb": ("Most MiB a part.", "每卷最多多少 MiB。"),
    "data.building": ("building {what}", "构建 {what}"),
    "data.packing": ("packing {what}", "打包 {what}"),
    "data.unpacking": ("unpacking {what}", "解包 {what}"),
    "data.missing": ("still missing: {parts}", "还缺：{parts}"),
    "data.all": ("all", "合计"),
    # eval
    "eval": ("Measure how good a model is.", "衡量模型的质量。"),
    "eval.harness": (
        "Public benchmarks: tasks of lm-evaluation-harness, and files in its format; needs the extra [eval]. "
        "Task files are code, and their data may come from the network.",
        "公开基准：运行 lm-evaluation-harness 的任务及其格式的任务文件；需要附加组件 [eval]。"
        "任务文件就是代码，其数据可能来自网络。",
    ),
    "eval.names": (
        "Tasks, groups or patterns such as 'mmlu_*', separated by commas.",
        "任务、任务组或 'mmlu_*' 这样的模式，以逗号分隔。",
    ),
    "eval.include": (
        "A folder of task files (YAML) of your own; paths in them count from the current folder.",
        "自己的任务文件（YAML）所在文件夹；其中的路径相对于当前文件夹。",
    ),
    "eval.first": ("Only the first items of each task.", "每个任务只测前若干题。"),
    "eval.shots": ("Examples before each question; default: as the task says.", "每题之前的示例数；默认由任务决定。"),
    "eval.chat": ("Ask in the model's chat template.", "使用模型的对话模板提问。"),
    "eval.url": (
        "Ask a server's /v1/completions; --model is its model, and where the tokenizer is found here.",
        "向服务器的 /v1/completions 提问；--model 指其模型，并在本机用来查找分词器。",
    ),
    "eval.cut": (
        "{count} prompts lost their first tokens: more than {most} do not fit into the context",
        "{count} 个提示词丢掉了开头的 token：超过 {most} 个就放不进上下文",
    ),
    "eval.bpb": (
        "Bits per byte of texts: how well the model predicts them, comparable across vocabularies; beside xz -9.",
        "文本的每字节比特数：模型预测得有多准，可跨词表比较；附 xz -9 的值。",
    ),
    "eval.text": ("A UTF-8 file; may be given again.", "UTF-8 文件；可重复给出。"),
    "eval.window": (
        "Tokens of a window; default: the model's context.",
        "窗口的 token 数；默认为模型的上下文长度。",
    ),
    "eval.predicting": ("predicting {what}", "预测 {what}"),
    "eval.core": (
        "Small tasks in Chinese and English, each beside chance with an interval: language, facts from texts, tools, "
        "arithmetic, instructions. Answers are asked for greedily and at the model's default sampling.",
        "中英文小任务，每项附随机水平和区间：语言、据文作答、工具、算术、指令。分别以贪心和模型默认采样作答。",
    ),
    "eval.tasks": (
        "Only these tasks, separated by commas; bits_per_byte is one of them.",
        "只测这些任务，以逗号分隔；bits_per_byte 也是其中之一。",
    ),
    "eval.limit": ("At most so many items a language and task.", "每个任务每种语言最多这么多题。"),
    "eval.out": (
        "Also write the result here, for `fathom eval report`.",
        "同时把结果写入此文件，供 `fathom eval report` 使用。",
    ),
    "eval.answers": ("Also write every answer as it came, with its score.", "同时写入每个未经改动的回答及其得分。"),
    "eval.weighing": ("weighing texts", "比较文本概率"),
    "eval.asking": ("asking", "提问"),
    "eval.reading": ("predicting prose", "预测文章"),
    "eval.skipped": ("left out: {task}: {reason}", "未测：{task}：{reason}"),
    "eval.too_long": (
        "{task}: too long for the context of {context} tokens, counted as failed: {count}",
        "{task}：{count} 题超出 {context} 个 token 的上下文，按答错计",
    ),
    "eval.report": (
        "Set results of `fathom eval core` side by side, with a mark where two models differ by more than chance.",
        "并排比较 `fathom eval core` 的结果，差异超出偶然时加以标记。",
    ),
    "eval.results": (
        "Results of `fathom eval core`; others are compared with the first.",
        "`fathom eval core` 的结果；其他模型与第一个比较。",
    ),
    "eval.page": (
        "A .html or .md file; default: print Markdown.",
        ".html 或 .md 文件；默认打印 Markdown。",
    ),
}
