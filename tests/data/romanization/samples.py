"""Text that is hard to romanise in pieces, and uroman itself to compare with."""

from __future__ import annotations

import random
from functools import lru_cache

import uroman


# What each of these shows is in its comment; together they hold every way in which uroman looks past one character.
HARD_LINES = [
    "",
    " ",
    "   ",
    " a  b ",
    "\t\ttabs and\x0bother\x0cwhite\x85space\u2028lines\u2029",
    "nul \x00 bell \x07 escape \x1b delete \x7f",
    "1 12 1.5 1.2.3 .5 5. 007 1,000,000.25 3.14.15",
    "٣٫١٤ ٠٫٥ १२३.४५ ๑๒.๓๔ ۱۹۹۰.",
    "十二 三百二十一 二〇一八年 两万五千 一亿 3万 五百万 廿一 3億5千万",
    "三分之一 百分之五十 负五 負3 百分之3.5",
    "½ 3½ ¾ cup 1¼2 ½½ ⅷ Ⅷ ② ⑳ x² H₂O",
    "ሺ፻፲፭ ፲፱፻፸ ፸",
    "𓏺𓏻 𓎆𓏺 𓂭𓆼 𓍢a",
    "Ⴣ ჳ Ჳ a",
    "Θεσσαλονίκη ΘΕΣΣΑΛΟΝΙΚΗ Θ Θα ΨΑΡΙ Ψάρι",
    "μπανάνα Μπ ντόμα γγ γκ μs μm 5μm μHz.",
    "кий ий русский ий.",
    "ի ու եմ են Եվ և, ենք։ մենք",
    "אָ שׁ חַ נֹחַ ד׳ ג׳ וּ קְוָ",
    "اً ای ایران ة مدرسة ة، ـة",
    "नमस्ते क़ ज़्यादा हिन्दी। हिन्दी, हिन्दीx राम रामः ऋषि कृष्ण",
    "ন্যায় সময় প্রায় বাংলা",
    "ਪੱਤਾ ਅੱਛਾ ੱਕ",
    "தமிழ் ஃபேஸ் ஆஃப்",
    "ശ്രീ ന് കേരളം",
    "ក្រុង បញ្ញា ប៉ុន្តែ ភ្នំពេញ ការ",
    "မြန်မာ ကြောင့် ဒေါ် စာ",
    "བོད་སྐད། ༄༅། །བཀྲ་ཤིས། ཨེ ང་",
    "ພາສາລາວ ເດັກ ນ້ຳ",
    "ต้องได้ ก่อน ต่อ อาหาร ก่อความ 15 ก้อนนี้ เก่อ เอ อ ออ ศักดิ์สิทธิ์",
    "(ต้อง xต้อง ็อก เ์อก แ–ว เ–ียว ไอศกรีม หญ้า ร้อย",
    "하늘 한국어 값이 ㄱㅏ 갂",
    "がっこう ラッパ きゃ シャツ チェ コーヒー っA っthe ッSt. っっか ァー",
    "中文，标点。「引号」（括号） 、 ， a，b ，c",
    "漢字\u00a0かな\u3000交じり\u2003文\u202f。 \u00a0 x\u00a0",
    "北京 东京 京都 百色 百度 百老汇 红十字会 彼得 杨百翰 京兆",
    "⠓⠑⠇⠇⠕ ⠠⠓⠊ ⠠⠠⠺⠕⠗⠇⠙ ⠼⠁⠃⠲⠉ abc ⠮",
    "a\u0301 e\u0300 ⲁ\u0300 ⲉ\u0300ⲛ ⲟⲩⲁ \u0301 \u0300",
    "ж\u0301а а\u0301е и\u0301 o\u0302 d\u0302",
    "می\u200cخواهم می\u200dخواهم \u200c \u200bx\ufeff",
    "’я 'я б'я l’été",
    "Ａｂｃ１２ ｶﾀｶﾅ ﷺ ﬁ ĳ ǆ ß ẞ İ ı",
    "𠀀𠮷 🎉 🇩🇪 👩\u200d👩\u200d👧 ︎",
    "፡ ፡፡ ፡- ሰላም፡ ዓለም፡እንደ ምን።",
    "\ue000 \uf8f1.\uf8f2 \U000f0000",
    "eight night high ight tion ssion station Straße St. St.5 eaux stein Chr",
]

# uroman itself raises on these.
FAILING_LINES = ["三分之", "百分之 x", "5分之x", "9" * 5000]

_SPECIAL = [*"0123456789. ,'’-:½٣๐一十百万負っッ\u0a71ゃュー\u0300\u094d\u17d2\u093c\u09bcเแโอ์่้\u200c\u00a0"]
_SPECIAL += [*"，。」፡་"]
_BLOCKS = [0x0370, 0x0400, 0x0530, 0x0590, 0x0600, 0x0900, 0x0980, 0x0A00, 0x0B80, 0x0C00, 0x0D80, 0x0E00, 0x0E80]
_BLOCKS += [0x0F00, 0x1000, 0x1200, 0x1780, 0x2C80, 0x3040, 0x30A0, 0x4E00, 0xAC00, 0xFF00]


@lru_cache(maxsize=1)
def reference() -> uroman.Uroman:
    """uroman as its package gives it."""
    return uroman.Uroman()


def romanize_by_uroman(text: str, code: str | None = None) -> str | None:
    """What uroman says of a text; None where it fails."""
    try:
        return reference().romanize_string(text, code)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None


def random_line(random_state: random.Random, words: list[str]) -> str:
    """Words of several scripts, parts of words, characters of a block and special ones, with and without spaces."""

    def piece() -> str:
        kind = random_state.random()
        if kind < 0.35:
            return random_state.choice(words)
        if kind < 0.45:
            return random_state.choice(words)[: random_state.randint(1, 4)]
        if kind < 0.65:
            return random_state.choice(_SPECIAL)
        block = random_state.choice(_BLOCKS)
        return "".join(chr(block + random_state.randrange(96)) for _ in range(random_state.randint(1, 6)))

    return "".join(piece() + random_state.choice(["", "", " "]) for _ in range(random_state.randint(1, 8)))
