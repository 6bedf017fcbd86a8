"""Health, religion and biometric data of somebody: a word of the class where the text speaks of a person.

These classes are looked for only when the caller names them. A word counts within a clause that holds a person (我,
患者, patient, my), so that a text about diabetes in general stays as it is. Word lists cannot be complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .page import Found, Page

__all__ = ["TYPES", "WORDS", "find"]

_HEALTH = (
    "高血压 低血压 高血脂 高血糖 糖尿病 冠心病 心脏病 心肌梗死 心肌梗塞 心律失常 心力衰竭 房颤 脑梗 脑梗死 "
    "脑出血 中风 偏瘫 癫痫 帕金森病 帕金森 阿尔茨海默病 老年痴呆 抑郁症 焦虑症 双相情感障碍 精神分裂症 强迫症 "
    "自闭症 孤独症 多动症 失眠症 厌食症 艾滋病 HIV阳性 HIV 梅毒 淋病 尖锐湿疣 乙肝 丙肝 甲肝 肝硬化 肝炎 脂肪肝 "
    "肝癌 肺癌 胃癌 肠癌 结肠癌 直肠癌 乳腺癌 宫颈癌 卵巢癌 前列腺癌 胰腺癌 甲状腺癌 食管癌 鼻咽癌 淋巴瘤 白血病 "
    "恶性肿瘤 肿瘤 癌症 骨折 骨质疏松 腰椎间盘突出 颈椎病 关节炎 类风湿性关节炎 痛风 红斑狼疮 哮喘 慢阻肺 肺炎 "
    "肺结核 结核病 支气管炎 新冠肺炎 新冠 流感 胃炎 胃溃疡 阑尾炎 胆结石 肾结石 肾炎 肾衰竭 尿毒症 贫血 血友病 "
    "地中海贫血 甲亢 甲减 甲状腺结节 肺结节 白内障 青光眼 近视 耳聋 失聪 色盲 湿疹 银屑病 白癜风 荨麻疹 带状疱疹 "
    "过敏性鼻炎 不孕症 流产 早产 怀孕 妊娠 剖宫产 宫外孕 子宫肌瘤 多囊卵巢综合征 阳痿 前列腺炎 透析 化疗 放疗 "
    "靶向治疗 器官移植 肾移植 心脏搭桥 支架手术 截肢 残疾 肢体残疾 视力残疾 听力残疾 智力残疾 精神残疾 植物人 "
    "瘫痪 青霉素过敏 药物过敏 花生过敏 海鲜过敏 吸毒 戒毒 酗酒 自杀 自残 hypertension diabetes diabetic asthma "
    "cancer leukemia lymphoma tumor tumour stroke epilepsy depression schizophrenia anxiety-disorder "
    "bipolar-disorder autism adhd alzheimer's parkinson's hiv aids hepatitis tuberculosis pneumonia arthritis "
    "osteoporosis anemia anaemia pregnant pregnancy miscarriage chemotherapy dialysis heart-attack heart-disease "
    "kidney-failure multiple-sclerosis lupus migraine penicillin-allergy disability disabled paralysed paralyzed "
    "amputation covid-19 obesity insomnia ptsd"
)
_RELIGION = (
    "佛教徒 基督徒 基督教徒 天主教徒 穆斯林 伊斯兰教徒 道教徒 印度教徒 犹太教徒 信佛 信基督 信教 信奉佛教 "
    "信奉基督教 信仰佛教 信仰基督教 信仰天主教 信仰伊斯兰教 皈依 受洗 基督教 天主教 伊斯兰教 佛教 道教 犹太教 "
    "东正教 christian catholic protestant muslim buddhist hindu jewish sikh atheist orthodox mormon "
    "jehovah's-witness baptised baptized"
)
_BIOMETRIC = (
    "指纹 掌纹 声纹 虹膜 人脸信息 人脸特征 面部特征 人脸图像 人脸照片 人脸识别信息 基因信息 基因序列 DNA样本 "
    "步态 耳廓 视网膜 静脉纹 fingerprint fingerprints iris-scan retina-scan face-scan facial-scan voiceprint "
    "palm-print faceprint dna-sample dna-profile genome gait-pattern"
)
_CLASSES = {"HEALTH": _HEALTH, "RELIGION": _RELIGION, "BIOMETRIC": _BIOMETRIC}
TYPES = frozenset(_CLASSES)
WORDS = {f"word_{type}": [word.replace("-", " ") for word in words.split()] for type, words in _CLASSES.items()}

_SOMEBODY = re.compile(
    "[我你您他她]|患者|病人|本人|患儿|家属|先生|女士|小姐|爸|妈|父亲|母亲|妻子|丈夫|儿子|女儿|爷爷|奶奶|老人|"
    "员工|客户|用户|姓名|确诊|诊断|既往史|病史|患有|宗教信仰|采集|录入|"
    r"\b(?:I|my|me|he|she|his|her|patient|employee|customer|client|diagnosed|suffers?|wife|husband|son|daughter|mother|"
    r"father|mr|mrs|ms|religion|name)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[。！？!?\n;；]|\.\s")


def find(page: Page) -> Iterator[Found]:
    text = page.text
    for type in _CLASSES:
        for word in page.words.get(f"word_{type}", ()):
            start, end = word.start, word.end
            if text[start].isascii() and (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()):
                continue  # a piece of a longer Latin word
            before = _CLAUSE.split(text[max(0, start - 40) : start])[-1]
            after = _CLAUSE.split(text[end : end + 24])[0]
            if _SOMEBODY.search(before) or _SOMEBODY.search(after):
                yield Found(start, end, type, 0.7)
