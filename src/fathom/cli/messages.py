"""What the command line says, in English and Chinese; the language follows the locale (``fathom.errors.language``)."""

from __future__ import annotations

from fathom.errors import language

from .messages_guard import GUARD
from .messages_train import TRAINING

__all__ = ["MESSAGES", "say"]

# key: (English, Chinese)
MESSAGES: dict[str, tuple[str, str]] = {
    # fathom
    "app": (
        "Runs models of the DeepSeek-V2 family (MLA + DeepSeekMoE) on small machines.",
        "在小机器上运行 DeepSeek-V2 家族（MLA + DeepSeekMoE）的模型。",
    ),
    "app.epilog": (
        "Results go to standard output, everything else to standard error. "
        "Exit codes: 0 done, 1 failed, 2 wrongly called, 130 stopped by Ctrl-C.",
        "结果写到标准输出，其余写到标准错误。退出码：0 成功，1 失败，2 用法错误，130 被 Ctrl-C 中止。",
    ),
    "app.version": ("Print the version and exit.", "显示版本并退出。"),
    # options that several verbs share
    "opt.model": (
        "Model: a folder, a .gguf file, a name of the store or of the Hugging Face cache, or mini (ships with fathom).",
        "模型：文件夹、.gguf 文件、模型库或 Hugging Face 缓存中的名称，或 mini（随 fathom 附带）。",
    ),
    "opt.dummy": (
        "Use random weights of a published shape, e.g. DeepSeek-V2-Lite, in place of a model.",
        "不用模型，改用某个已发布形状的随机权重，如 DeepSeek-V2-Lite。",
    ),
    "opt.dtype": (
        "Weights in memory: auto (as stored), float32, bfloat16, int8 or int4.",
        "内存中的权重格式：auto（与文件一致）、float32、bfloat16、int8 或 int4。",
    ),
    "opt.cache_dtype": (
        "Latent cache in memory: float32, bfloat16, int8 (half the memory, a little less exact) or auto: "
        "float32 if all weights are, else bfloat16.",
        "内存中的潜在缓存格式：float32、bfloat16、int8（内存减半，精度略降）或 auto（权重全为 float32 时用 float32，"
        "否则用 bfloat16）。",
    ),
    "opt.context": (
        "Longest context in tokens; default: the model's, or the part of it that fits into memory.",
        "最大上下文（token 数）；默认取模型的值，内存放不下时自动减小。",
    ),
    "opt.threads": ("Threads; default: one a core.", "线程数；默认每核一个。"),
    "opt.json": ("Print JSON.", "输出 JSON。"),
    "load.progress": ("loading {what}", "加载 {what}"),
    # chat
    "chat": (
        "Talk to a model. Alone in a pipe, each line is one turn; with PROMPT, the pipe is material for it.",
        "与模型对话。单独在管道中，每行是一轮；给出 PROMPT 时，管道内容是它的材料。",
    ),
    "chat.prompt": ("Ask this and exit.", "问这一句，然后退出。"),
    "chat.system": ("System message.", "系统消息。"),
    "chat.temperature": ("0 always takes the likeliest token.", "0 表示总取最可能的 token。"),
    "chat.top_p": ("Keep the likeliest tokens of this total probability.", "只保留累计概率达到此值的 token。"),
    "chat.top_k": ("Keep this many tokens.", "只保留这么多个 token。"),
    "chat.min_p": ("Drop tokens below this share of the likeliest.", "去掉概率低于最大值这一比例的 token。"),
    "chat.repetition": ("Above 1 repeats less.", "大于 1 时减少重复。"),
    "chat.seed": ("Same seed and same conversation, same answers.", "种子与对话相同，回答相同。"),
    "chat.max_tokens": ("Longest answer in tokens.", "回答的最大 token 数。"),
    "chat.stop": ("Stop before this text; may be given again.", "遇到此文本即停止；可重复给出。"),
    "chat.schema": ("Answer in JSON by the JSON Schema of this file.", "按此文件中的 JSON Schema 以 JSON 作答。"),
    "chat.json": (
        "Print one JSON object a turn: answer, finish_reason, usage, timings.",
        "每轮输出一个 JSON 对象：answer、finish_reason、usage、timings。",
    ),
    "chat.verbose": ("Print tokens a second after each answer.", "每次回答后显示每秒 token 数。"),
    "chat.welcome": (
        "{model}, context {context} tokens. /help lists commands, Ctrl-D ends.",
        "{model}，上下文 {context} token。/help 列出命令，Ctrl-D 结束。",
    ),
    "chat.help": (
        "/help            this list\n"
        "/clear           forget the conversation\n"
        "/system [TEXT]   show or set the system message\n"
        "/save FILE       write the conversation as JSON\n"
        "/verbose         tokens a second, on or off\n"
        "/exit            end (also Ctrl-D)\n\n"
        '"""              starts and ends a message of several lines\n'
        "\\ at a line end  goes on with the next line\n"
        "Ctrl-C           stops an answer and keeps what was said\n\n"
        "What you type stays in memory; with FATHOM_HISTORY=FILE it is kept there.",
        "/help            本列表\n"
        "/clear           忘掉此前的对话\n"
        "/system [TEXT]   显示或设置系统消息\n"
        "/save FILE       将对话保存为 JSON\n"
        "/verbose         开关每秒 token 数\n"
        "/exit            结束（也可按 Ctrl-D）\n\n"
        '"""              开始和结束多行消息\n'
        "行尾的 \\         续到下一行\n"
        "Ctrl-C           停止当前回答，保留已说的内容\n\n"
        "输入的内容只留在内存中；设置 FATHOM_HISTORY=文件 则保存到该文件。",
    ),
    "chat.cleared": ("The conversation is forgotten.", "对话已清空。"),
    "chat.no_system": ("There is no system message.", "没有系统消息。"),
    "chat.system_set": ("The system message is set; the conversation starts anew.", "系统消息已设置，对话重新开始。"),
    "chat.saved": ("Written to {path}; messages: {count}.", "已将 {count} 条消息写入 {path}。"),
    "chat.save_where": ("Save where? /save FILE", "保存到哪里？/save 文件"),
    "chat.unknown_command": (
        "There is no {command}; /help lists the commands.",
        "没有命令 {command}；/help 列出所有命令。",
    ),
    "chat.verbose_on": ("Tokens a second are shown.", "将显示每秒 token 数。"),
    "chat.verbose_off": ("Tokens a second are no longer shown.", "不再显示每秒 token 数。"),
    "chat.leave": ("Ctrl-D or /exit ends.", "按 Ctrl-D 或输入 /exit 结束。"),
    "chat.stopped": ("(stopped)", "（已停止）"),
    "chat.cut": (
        "(cut at {count} tokens; --max-tokens allows more)",
        "（在 {count} token 处截断；可用 --max-tokens 调大）",
    ),
    "chat.cut_full": ("(cut: the context of {context} tokens is full)", "（在此截断：上下文 {context} token 已满）"),
    "chat.full": ("The context is full; /clear starts a new conversation.", "上下文已满；/clear 开始新的对话。"),
    "chat.stats": (
        "{prompt} prompt tokens, first token after {first:.2f} s; {completion} tokens at {rate:.1f} a second",
        "提示 {prompt} token，首个 token 用时 {first:.2f} 秒；生成 {completion} token，每秒 {rate:.1f}",
    ),
    # serve
    "serve": ("Serve the OpenAI-compatible API.", "提供兼容 OpenAI 的 API。"),
    "serve.host": (
        "Address to listen on; beyond this machine only with --api-key-file.",
        "监听地址；对外开放必须同时给出 --api-key-file。",
    ),
    "serve.port": ("Port.", "端口。"),
    "serve.max_queue": (
        "Answers that may wait behind the 32 that run side by side; more get 429.",
        "最多 32 个回答同时进行，此外允许排队的个数；超出则返回 429。",
    ),
    "serve.limit": (
        "Another limit of requests (docs/en/limits.md), such as body_bytes=1000000; may be repeated.",
        "修改一项请求上限（见 docs/zh/limits.md），例如 body_bytes=1000000；可重复给出。",
    ),
    "serve.key": ("File with the API key (or FATHOM_API_KEY).", "存放 API 密钥的文件（也可用 FATHOM_API_KEY）。"),
    "serve.ready": ("{model} at {url}/v1 (Ctrl-C ends)", "{model} 位于 {url}/v1（Ctrl-C 结束）"),
    **GUARD,
    **TRAINING,
    # models, pull
    "models": ("List, show, verify and remove models.", "列出、查看、检查和删除模型。"),
    "models.list": ("List the models on this machine.", "列出本机上的模型。"),
    "models.show": (
        "Show a model's architecture and size; M may be a published name, too, without weights.",
        "显示模型的结构和大小；M 也可以是已发布模型的名称，无需权重。",
    ),
    "models.verify": (
        "Check every tensor: missing, unexpected, mis-shaped, not finite.",
        "检查每个张量：缺失、多余、形状不符、非有限值。",
    ),
    "models.remove": ("Remove a model from the store.", "从模型库删除模型。"),
    "models.program": (
        "Print the program: every op with shapes, bytes and FLOPs a token.",
        "打印程序：每个算子的形状、字节数和每 token 的 FLOPs。",
    ),
    "models.context_bytes": ("Tokens in the cache for bytes and FLOPs.", "计算字节数和 FLOPs 时缓存中的 token 数。"),
    "models.none": (
        "no models yet; `fathom pull OWNER/NAME` gets one, `fathom chat` uses mini, which ships inside",
        "还没有模型；可用 `fathom pull OWNER/NAME` 下载，或直接 `fathom chat` 使用自带的 mini",
    ),
    "models.yes": ("Do not ask.", "不询问。"),
    "models.confirm": ("Remove {path} ({size})? [y/N]", "删除 {path}（{size}）？[y/N]"),
    "models.confirm_needed": ("add --yes to remove {path} without a terminal", "没有终端时，请加 --yes 以删除 {path}"),
    "models.removed": ("removed {path}", "已删除 {path}"),
    "verify.missing": ("missing: {name}", "缺失：{name}"),
    "verify.unexpected": ("unexpected: {name}", "多余：{name}"),
    "verify.misshaped": (
        "mis-shaped: {name} is {found}, expected {expected}",
        "形状不符：{name} 为 {found}，应为 {expected}",
    ),
    "verify.unsupported": ("type {type} can't be used: {name}", "不支持类型 {type}：{name}"),
    "verify.not_finite": ("NaN or infinite values: {name}", "含 NaN 或无穷大：{name}"),
    "verify.unused": (
        "{count} tensors of multi-token-prediction layers are not used, from {name} on",
        "{count} 个多 token 预测层的张量未被使用，从 {name} 起",
    ),
    "verify.ok": ("all {count} tensors are there and finite", "全部 {count} 个张量齐全且有限"),
    "verify.bad": ("{count} faults", "{count} 处错误"),
    "pull": (
        "Fetch a model from the Hugging Face hub into the store. HF_ENDPOINT names a mirror.",
        "从 Hugging Face（或 HF_ENDPOINT 镜像）下载模型到模型库。",
    ),
    "pull.repo": (
        "OWNER/NAME, or OWNER/NAME:FILE for a single GGUF file.",
        "OWNER/NAME；单个 GGUF 文件用 OWNER/NAME:FILE。",
    ),
    "pull.revision": ("Branch, tag or commit.", "分支、标签或提交。"),
    "pull.progress": ("pulling {what}", "下载 {what}"),
    # quantize, export, dummy
    "quantize": ("Write a model with int8 or int4 weights.", "将模型权重量化为 int8 或 int4。"),
    "quantize.format": ("int8 or int4.", "int8 或 int4。"),
    "quantize.group": ("Weights that share a scale: 32, 64 or 128.", "共用一个缩放系数的权重数：32、64 或 128。"),
    "quantize.calibrate": (
        "Text (UTF-8) like the model's later use: int4 is rounded by the inputs it gives the experts and MLPs; "
        "attention, embedding and head become int8.",
        "与实际用途相近的文本（UTF-8）：按它给专家和 MLP 的输入来舍入 int4；注意力、词嵌入与输出头存为 int8。",
    ),
    "quantize.running": ("running {what}", "运行 {what}"),
    "quantize.progress": ("quantising {what}", "量化 {what}"),
    "export": ("Write a model as GGUF, which llama.cpp loads, too.", "将模型导出为 GGUF，llama.cpp 也能加载。"),
    "export.type": ("F32, BF16, Q8_0 or Q4_0.", "F32、BF16、Q8_0 或 Q4_0。"),
    "export.progress": ("exporting {what}", "导出 {what}"),
    "dummy": (
        "Write random weights of a published shape, to try memory and speed without a download.",
        "写出某个已发布形状的随机权重，无需下载即可试内存与速度。",
    ),
    "dummy.name": (
        "Published name, e.g. DeepSeek-V2-Lite; `fathom doctor` lists them.",
        "已发布的名称，如 DeepSeek-V2-Lite；`fathom doctor` 会列出。",
    ),
    "dummy.format": (
        "float32, bfloat16, int8 or int4.",
        "float32、bfloat16、int8 或 int4。",
    ),
    "dummy.seed": ("Seed of the random weights.", "随机权重的种子。"),
    "dummy.progress": ("making {what}", "生成 {what}"),
    "arg.src": ("Model to read.", "要读取的模型。"),
    "arg.dst": ("Folder to write.", "要写入的文件夹。"),
    "arg.dst_gguf": ("GGUF file to write.", "要写入的 GGUF 文件。"),
    "wrote": ("{path}: {size}", "{path}：{size}"),
    # trace
    "trace": (
        "Compare two models, formats or executors op by op; name the first that differs.",
        "逐算子运行两个模型、格式或执行器，指出第一个不同的算子。",
    ),
    "trace.a": ("First model.", "第一个模型。"),
    "trace.b": ("Second model; default: the first.", "第二个模型；默认与第一个相同。"),
    "trace.prompt": ("Text to run.", "要运行的文本。"),
    "trace.executor": ("native (C++) or reference (PyTorch).", "native（C++）或 reference（PyTorch）。"),
    "trace.dtype": (
        "Weights: auto, float32, bfloat16, int8 or int4.",
        "权重格式：auto、float32、bfloat16、int8 或 int4。",
    ),
    "trace.tolerance": (
        "Largest deviation, relative to an op's RMS, that counts as equal; default: what the formats explain.",
        "视为相等的最大偏差（相对于算子输出的 RMS）；默认取格式所能解释的大小。",
    ),
    # doctor
    "doctor": (
        "Say what this machine can run, and with -m what a model needs.",
        "说明本机能运行什么；用 -m 查看某个模型需要多少内存。",
    ),
    "doctor.cpu": ("processor", "处理器"),
    "doctor.levels": ("kernels", "内核级别"),
    "doctor.levels_line": (
        "{level} serves every format; usable here: {levels}",
        "{level} 负责所有格式；本机可用：{levels}",
    ),
    "doctor.cores": ("{count} cores", "{count} 核"),
    "doctor.features": ("instructions", "指令集"),
    "doctor.model": ("Say what this model needs.", "查看此模型需要多少内存。"),
    "doctor.context": ("Tokens of context to count with.", "按此上下文长度（token 数）计算。"),
    "doctor.memory": ("memory", "内存"),
    "doctor.memory_line": ("{available} available of {total}", "可用 {available}，共 {total}"),
    "doctor.cgroup": ("(limit of the control group)", "（控制组限制）"),
    "doctor.store": ("model store", "模型库"),
    "doctor.store_line": ("{path}, {free} free", "{path}，剩余 {free}"),
    "doctor.versions": ("versions", "版本"),
    "doctor.extras": ("extras", "额外组件"),
    "doctor.none": ("none", "无"),
    "doctor.needs": ("{model}, {context} tokens of context, {dtype}:", "{model}，上下文 {context} token，{dtype}："),
    "doctor.weights": ("weights", "权重"),
    "doctor.cache": ("cache", "缓存"),
    "doctor.scratch": ("scratch", "临时缓冲"),
    "doctor.total": ("total", "合计"),
    "doctor.family": (
        "Memory the published models need at {context} tokens of context ({available} available):",
        "各已发布模型在 {context} token 上下文时所需内存（可用 {available}）：",
    ),
    "doctor.context_over": ("{model} takes {most} tokens of context at most", "{model} 的上下文最多 {most} token"),
    "doctor.fits": ("It fits.", "可以运行。"),
    "doctor.star": ("* fits here", "* 可在本机运行"),
    # models show
    "show.parameters": ("parameters", "参数"),
    "show.active": ("{count} active", "激活 {count}"),
    "show.layers": ("layers", "层"),
    "show.attention": ("attention", "注意力"),
    "show.heads": (
        "{heads} heads, q_lora_rank {q}, kv_lora_rank {kv}",
        "{heads} 个头，q_lora_rank {q}，kv_lora_rank {kv}",
    ),
    "show.experts": ("experts", "专家"),
    "show.experts_line": (
        "{used} of {routed} a token and {shared} shared, in {layers} layers",
        "每 token 激活 {routed} 个中的 {used} 个，另有共享专家 {shared} 个，共 {layers} 层",
    ),
    "show.dense": ("none (dense)", "无（稠密）"),
    "show.weights": ("weights", "权重"),
    "show.cache": ("cache", "缓存"),
    "show.total": ("{ops} ops, {parameters} parameters", "{ops} 个算子，{parameters} 参数"),
    "show.vocabulary": ("vocabulary", "词表"),
    "show.context": ("context", "上下文"),
    "show.cache_line": ("{one} a token, {all} for the whole context", "每 token {one}，整个上下文 {all}"),
    "show.buffers": ("buffers, float32 a token: {buffers}", "缓冲区（每 token 的 float32 个数）：{buffers}"),
    "show.program_note": (
        "{format} weights; bytes and FLOPs of one layer for one token with {context} tokens in the cache",
        "{format} 权重；字节数与 FLOPs 按每层、单个 token、缓存中 {context} token 计算",
    ),
    # bench
    "bench": (
        "Measure speed beside what the memory allows; waits for other processes to leave the cores alone.",
        "测量速度，并与内存带宽的上限对比；先等待其他进程让出处理器。",
    ),
    "bench.latency": (
        "Time to the first token and speed behind it, one request at a time.",
        "单个请求的首 token 时间及之后的速度。",
    ),
    "bench.depth": (
        "Prefill and decode speed with ever more tokens in the cache.",
        "缓存中 token 逐渐增多时的预填充与解码速度。",
    ),
    "bench.kernels": (
        "Time, bytes and FLOPs of each op of the program, beside the memory's roof.",
        "程序中每个算子的用时、字节数与 FLOPs，并与内存上限对比。",
    ),
    "bench.serve": (
        "Load of many clients on an OpenAI-compatible server: throughput and latency in vLLM's terms.",
        "用许多客户端对兼容 OpenAI 的服务施加负载：吞吐与延迟，指标与 vLLM 相同。",
    ),
    "bench.url": (
        "A running server, whose first model is asked (FATHOM_API_KEY is sent); default: one of its own.",
        "正在运行的服务，使用其第一个模型（会发送 FATHOM_API_KEY）；默认自行启动一个。",
    ),
    "bench.requests": ("Requests; default: 32.", "请求数；默认 32。"),
    "bench.seconds": (
        "Keep going so long instead; what still runs is cut.",
        "改为持续这么多秒；到时中断未完成的请求。",
    ),
    "bench.concurrency": ("Clients that ask at the same time.", "同时发出请求的客户端数。"),
    "bench.prefix_tokens": ("Tokens in front that all prompts share.", "所有提示共有的前缀 token 数。"),
    "bench.answer_tokens": ("Tokens of each answer.", "每个回答的 token 数。"),
    "bench.seed": ("Seed of the random prompts.", "随机提示的种子。"),
    "bench.asking": ("asking", "请求"),
    "bench.prompt_tokens": ("Tokens of the prompt.", "提示的 token 数。"),
    "bench.decode_tokens": ("Steps of one token to measure.", "要测量的单 token 步数。"),
    "bench.rounds": ("Rounds; figures are medians.", "轮数；结果取中位数。"),
    "bench.depths": (
        "Tokens in the cache; default: 0,1024,4096,16384 as far as they fit.",
        "缓存中的 token 数；默认 0,1024,4096,16384 中放得下的。",
    ),
    "bench.tokens": ("Tokens of a pass.", "每次前向计算的 token 数。"),
    "bench.context": ("Tokens in the cache before it.", "此前缓存中的 token 数。"),
    "bench.log": (
        "Append commit, processor, op and fraction of the roof to this file, a JSON line each.",
        "将提交、处理器、算子及占上限的比例逐行以 JSON 追加到此文件。",
    ),
    "bench.waiting": (
        "measuring; waits up to 30 s in all for moments in which other processes leave the cores alone",
        "正在测量；为避开其他进程占用处理器的时刻，最多共等待 30 秒",
    ),
    "bench.not_quiet": (
        "other processes did not leave the cores alone; measured all the same",
        "其他进程一直占用处理器；仍照常测量",
    ),
    "bench.machine": ("machine", "机器"),
    "bench.machine_line": ("{cpu}, {threads} threads, {level}", "{cpu}，{threads} 线程，{level}"),
    "bench.prefill": ("prefill", "预填充"),
    "bench.first": (
        "{rate} tokens a second; the first one of an answer to {tokens} after {ms} ms",
        "每秒 {rate} token；{tokens} token 的提示，首个 token 用时 {ms} 毫秒",
    ),
    "bench.decode": ("decode", "解码"),
    "bench.step": (
        "{rate} tokens a second, {ms} ms each, at {context} tokens of context",
        "每秒 {rate} token，每个 {ms} 毫秒，上下文 {context} token",
    ),
    "bench.roof": ("roof", "上限"),
    "bench.roof_line": (
        "{part:.1%} of {rate} tokens a second: {bytes} a step at {read} GB/s",
        "达到每秒 {rate} token 的 {part:.1%}：每步 {bytes}，带宽 {read} GB/s",
    ),
    "bench.cache": ("latent cache", "潜在缓存"),
    "bench.cache_line": (
        "{part:.1%} of its roof: {bytes} a layer for {context} tokens, {ms} ms more in all than behind an empty cache",
        "达到上限的 {part:.1%}：{context} token 每层 {bytes}，各层合计比空缓存多用 {ms} 毫秒",
    ),
    "bench.python": ("outside", "引擎之外"),
    "bench.python_line": ("{us} us a step outside the native engine", "每步 {us} 微秒在原生引擎之外"),
    "bench.read": ("memory reads", "内存读取"),
    "bench.memory": ("peak memory", "内存峰值"),
    "bench.others": ("other processes", "其他进程"),
    # columns
    "col.depth": ("depth", "深度"),
    "col.of_roof": ("of roof", "占上限"),
    "col.count": ("count", "个数"),
    "col.task": ("task", "任务"),
    "col.shots": ("shots", "示例数"),
    "col.metric": ("metric", "指标"),
    "col.score": ("score", "得分"),
    "col.stderr": ("standard error", "标准误"),
    "col.ms": ("ms", "毫秒"),
    "col.time": ("time", "用时占比"),
    "col.rate": ("GB/s", "GB/s"),
    "col.name": ("name", "名称"),
    "col.file": ("file", "文件"),
    "col.documents": ("documents", "文档"),
    "col.tokens": ("tokens", "token 数"),
    "col.bits": ("bits per byte", "每字节比特数"),
    "col.xz": ("xz -9", "xz -9"),
    "col.hash": ("SHA-256", "SHA-256"),
    "col.format": ("format", "格式"),
    "col.size": ("size", "大小"),
    "col.source": ("from", "来源"),
    "source.shipped": ("fathom", "fathom"),
    "source.store": ("store", "模型库"),
    "source.huggingface": ("Hugging Face cache", "Hugging Face 缓存"),
    "col.where": ("where", "位置"),
    "col.model": ("model", "模型"),
    "col.op": ("op", "算子"),
    "col.fewest": ("fewest tokens", "最少 token 数"),
    "col.plain": ("plain error", "普通舍入误差"),
    "col.calibrated": ("calibrated", "校准后"),
    "col.kind": ("kind", "类型"),
    "col.shape": ("weights", "权重"),
    "col.layers": ("layers", "层"),
    "col.flow": ("in -> out", "输入 -> 输出"),
    "col.read": ("bytes", "字节"),
    "col.compute": ("FLOPs", "FLOPs"),
    "col.bytes": ("bytes read a token", "每 token 读取"),
    "col.flops": ("FLOPs a token", "每 token FLOPs"),
    # usage
    "usage.option": ("there is no option {name}; see `{command} --help`", "没有选项 {name}；见 `{command} --help`"),
    "usage.missing": ("{name} is missing; see `{command} --help`", "缺少 {name}；见 `{command} --help`"),
    "usage.value": ("{name}: {problem}; see `{command} --help`", "{name}：{problem}；见 `{command} --help`"),
    "usage.other": ("{problem} See `{command} --help`.", "{problem} 见 `{command} --help`。"),
    "debug": (
        "unexpected error: {kind}: {problem} (FATHOM_DEBUG=1 shows where)",
        "意外错误：{kind}：{problem}（设置 FATHOM_DEBUG=1 可查看位置）",
    ),
}


def say(key: str, /, **fields: object) -> str:
    """The message in the user's language."""
    return MESSAGES[key][language() == "zh"].format(**fields)
