"""The sentences that `mediml.data.sentences` is made of: findings, cues and templates in English and in Chinese.

A template belongs to one status and to one split. ``{f}`` is the finding that is asked for with its brackets, ``{p}``
its place; ``{o}`` and ``{q}`` are another finding and its place; ``{no}``, ``{maybe}`` … is one of that name's cues.
A template that starts with ``!`` is a trap: its cue belongs to something else than the finding, or says the opposite of
what it looks like.
"""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["LANGUAGES", "STATUSES", "Language"]

STATUSES = ("positive", "negated", "uncertain")

#: Templates by split.
_Split = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Language:
    """What sentences of one language are made of.

    Attributes
    ----------
    findings : mapping of str to tuple of str
        Finding and the places where it may be.
    cues : mapping of str to tuple of str
        What may stand for a slot of the templates.
    templates : mapping of status to mapping of split to tuple of str
    negation, uncertainty : tuple of str
        What the keyword rule looks for.
    """

    findings: Mapping[str, tuple[str, ...]]
    cues: Mapping[str, tuple[str, ...]]
    templates: Mapping[str, _Split]
    negation: tuple[str, ...]
    uncertainty: tuple[str, ...]


_SIDES = ("on the right", "on the left", "on both sides")
_LOBES = (
    "in the right upper lobe", "in the right lower lobe", "in the left upper lobe", "in the left lower lobe",
    "in the middle lobe", "in the lingula", "at the left base", "at the right base",
)  # fmt: skip
_NODES = ("at the right hilum", "at the left hilum", "in the mediastinum")

_ENGLISH = Language(
    findings={
        "pleural effusion": _SIDES,
        "pneumothorax": _SIDES,
        "pleural thickening": _SIDES,
        "consolidation": _LOBES,
        "atelectasis": _LOBES,
        "ground-glass opacity": _LOBES,
        "interstitial oedema": _LOBES,
        "bronchial wall thickening": _LOBES,
        "cavitation": _LOBES,
        "scarring": _LOBES,
        "bronchiectasis": _LOBES,
        "lymphadenopathy": _NODES,
    },
    cues={
        "no": ("no", "no evidence of", "no sign of", "without", "without evidence of", "negative for"),
        "absent": ("is absent", "is not seen", "has been ruled out", "has resolved", "is no longer seen"),
        "gone": ("has resolved", "is no longer seen", "has disappeared"),
        "maybe": ("possible", "suspected", "questionable", "suspicion of", "findings suspicious for"),
        "open": ("cannot be excluded", "is possible", "is suspected", "has not been ruled out", "may be present"),
        "there": ("there is", "persistent", "new", "known", "increasing"),
        "seen": ("is seen", "is present", "persists", "has increased", "is again seen"),
    },
    templates={
        "positive": {
            "train": (
                "{there} {f} {p} .",
                "{f} {p} {seen} .",
                "{p} {there} {f} .",
                "findings consistent with {f} {p} .",
                "!no change in the {f} {p} .",
                "!{there} {f} {p} , {no} {o} .",
                "!no {o} , but {f} {p} {seen} .",
                "!{o} {q} {open} , {there} {f} {p} .",
                "!{o} {absent} , {f} {p} {seen} .",
                "!{f} {p} is not smaller than before .",
            ),
            "val": (
                "{p} the {f} {seen} .",
                "!{f} {p} without change .",
                "!{maybe} {o} {q} , known {f} {p} .",
            ),
            "test": (
                "compared with before , {there} {f} {p} .",
                "the {f} seen {p} has increased .",
                "!{f} {p} has not resolved .",
                "!no increase in the known {f} {p} .",
                "!apart from {f} {p} , no {o} .",
                "!{there} {f} {p} , while {o} {q} {open} .",
            ),
        },
        "negated": {
            "train": (
                "{no} {f} {p} .",
                "{no} {f} .",
                "{f} {p} {absent} .",
                "{f} {absent} .",
                "the previous {f} {p} {gone} .",
                "there is no longer {f} {p} .",
                "!{there} {o} {q} , {no} {f} .",
                "!{o} {q} {open} , {no} {f} .",
                "!{maybe} {o} {q} , but no {f} .",
                "!{o} {q} without change , {f} {absent} .",
                "!{f} {p} can be excluded .",
            ),
            "val": (
                "{p} {no} {f} .",
                "!{f} {absent} , but {o} {q} {seen} .",
                "!{no} {f} , {o} {q} has not resolved .",
            ),
            "test": (
                "neither {f} nor {o} is seen .",
                "compared with before , {f} {p} {gone} .",
                "!{f} {p} can now be excluded .",
                "!no {f} {p} , while {o} {q} {open} .",
                "!{no} {f} , {maybe} {o} {q} .",
                "!no change in the {o} {q} and {no} {f} .",
            ),
        },
        "uncertain": {
            "train": (
                "{maybe} {f} {p} .",
                "{f} {p} {open} .",
                "{f} {open} .",
                "{p} {maybe} {f} , please correlate clinically .",
                "the appearance {p} may represent {f} .",
                "!cannot exclude {f} {p} .",
                "!{there} {o} {q} , {maybe} {f} {p} .",
                "!{no} {o} , but {f} {p} {open} .",
                "!{o} {absent} , {maybe} {f} {p} .",
                "!no change in the {o} {q} , {f} {open} .",
            ),
            "val": (
                "{f} {open} {p} .",
                "!{f} {p} {open} , {no} {o} .",
                "!{maybe} {f} {p} , {o} {absent} .",
            ),
            "test": (
                "compared with before , {maybe} {f} {p} .",
                "the appearance {p} is suspicious for {f} .",
                "!{f} {p} {open} , while {o} {q} {seen} .",
                "!no {o} , {maybe} {f} {p} .",
                "!{f} {p} has not been excluded .",
                "!apart from {maybe} {f} {p} , no {o} .",
            ),
        },
    },
    negation=(
        "no", "not", "without", "absent", "negative", "resolved", "disappeared", "ruled out", "excluded", "exclude",
        "neither",
    ),
    uncertainty=(
        "cannot be excluded", "cannot exclude", "not been excluded", "not been ruled out", "possible", "suspected",
        "suspicion", "suspicious", "questionable", "may",
    ),
)  # fmt: skip

_CN_SIDES = ("右侧", "左侧", "双侧")
_CN_LOBES = ("右肺上叶", "右肺中叶", "右肺下叶", "左肺上叶", "左肺下叶", "左肺上叶舌段")
_CN_ZONES = ("右上肺野", "右下肺野", "左上肺野", "左下肺野", *_CN_LOBES)
_CN_NODES = ("纵隔", "右肺门", "左肺门")

_CHINESE = Language(
    findings={
        "胸腔积液": _CN_SIDES,
        "气胸": _CN_SIDES,
        "叶间积液": ("右侧", "左侧"),
        "实变影": _CN_LOBES,
        "磨玻璃影": _CN_LOBES,
        "斑片状影": _CN_ZONES,
        "结节影": _CN_ZONES,
        "空洞影": _CN_LOBES,
        "渗出性病变": _CN_ZONES,
        "网格状影": _CN_ZONES,
        "节段性不张": _CN_LOBES,
        "淋巴结肿大": _CN_NODES,
    },
    cues={
        "no": ("未见", "未见明显", "未见明确", "未见确切"),
        "absent": ("已消失", "现已消失", "本次未见显示", "已除外"),
        "gone": ("已消失", "现已消失", "本次未见显示", "本次检查未见"),
        "maybe": ("可疑", "疑似", "疑有", "可能存在", "不除外"),
        "open": ("不除外", "不能除外", "不能排除", "待排", "可能"),
        "there": ("见", "可见", "示", "新出现", "仍见"),
        "seen": ("仍存在", "同前", "较前进展", "较前相仿", "较前明显"),
    },
    templates={
        "positive": {
            "train": (
                "{p}{there}{f}。",
                "{p}{f}，建议随访复查。",
                "{p}{f}{seen}。",
                "{p}{there}{f}，请结合临床。",
                "!{p}{f}，较前无明显变化。",
                "!{p}{there}{f}，{no}{o}。",
                "!{no}{o}，{p}{there}{f}。",
                "!{q}{o}{open}，{p}{there}{f}。",
                "!{q}{o}{absent}，{p}{f}{seen}。",
                "!{p}{f}无好转。",
            ),
            "val": (
                "复查{p}{there}{f}。",
                "!{p}{f}无明显改变。",
                "!{q}{maybe}{o}，{p}{f}{seen}。",
            ),
            "test": (
                "与前片比较，{p}{f}{seen}。",
                "本次检查{p}{there}{f}，建议随访。",
                "!与前片比较，{p}{f}无明显变化。",
                "!{p}{f}未见明显好转。",
                "!除{p}{f}外，{no}{o}。",
                "!{p}{there}{f}，{q}{o}{open}。",
            ),
        },
        "negated": {
            "train": (
                "{p}{no}{f}。",
                "{no}{f}。",
                "{p}{f}{absent}。",
                "原{p}{f}{gone}。",
                "{p}无明显{f}。",
                "{p}无{f}。",
                "!{q}{there}{o}，{no}{f}。",
                "!{q}{o}{open}，{no}{f}。",
                "!{q}{maybe}{o}，{p}{no}{f}。",
                "!{q}{o}无明显变化，{p}{f}{absent}。",
                "!可除外{p}{f}。",
            ),
            "val": (
                "本次检查{p}{no}{f}。",
                "!{p}{f}{absent}，{q}{o}{seen}。",
                "!{no}{f}，{q}{o}未见好转。",
            ),
            "test": (
                "与前片比较，{p}{f}{gone}。",
                "{no}{f}及{o}。",
                "!{p}{f}可以除外。",
                "!{no}{f}，{q}{o}{open}。",
                "!{p}{no}{f}，{q}{maybe}{o}。",
                "!{q}{o}未见明显变化，{no}{f}。",
            ),
        },
        "uncertain": {
            "train": (
                "{p}{maybe}{f}。",
                "{p}{f}{open}。",
                "{p}{f}{open}，建议CT进一步检查。",
                "考虑{p}{f}可能。",
                "{p}显示欠清，{maybe}{f}。",
                "!不能排除{p}{f}。",
                "!{q}{there}{o}，{p}{maybe}{f}。",
                "!{no}{o}，{p}{f}{open}。",
                "!{q}{o}{absent}，{p}{maybe}{f}。",
                "!{q}{o}无明显变化，{p}{f}{open}。",
            ),
            "val": (
                "复查{p}{maybe}{f}。",
                "!{p}{f}{open}，{no}{o}。",
                "!{p}{maybe}{f}，{q}{o}{absent}。",
            ),
            "test": (
                "与前片比较，{p}{maybe}{f}。",
                "本次检查考虑{p}{f}可能，请结合临床。",
                "!{p}{f}{open}，{q}{o}{seen}。",
                "!{no}{o}，{p}{maybe}{f}。",
                "!尚不能除外{p}{f}。",
                "!{p}{maybe}{f}，余{no}{o}。",
            ),
        },
    },
    negation=("未见", "无", "消失", "已除外", "可除外", "可以除外"),
    uncertainty=("不除外", "不能除外", "不能排除", "待排", "可能", "可疑", "疑似", "疑有"),
)

LANGUAGES: Mapping[str, Language] = {"en": _ENGLISH, "zh": _CHINESE}
