"""English text as it is said: figures, money, ordinals and titles in words."""

import re

_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_ROUND = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
_ONES, _TENS = _SMALL.split(), _ROUND.split()
_SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"), (100, "hundred"))
_ORDINALS = {"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth"} | {
    "twelve": "twelfth"
}
_CURRENCIES = {"$": ("dollar", "dollars"), "£": ("pound", "pounds"), "€": ("euro", "euros")}
_TITLES = {"mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor"}

_NUMBER = r"\d{1,3}(?:,\d{3})+|\d+"
_WRITTEN = re.compile(
    rf"""(?P<currency>[$£€])(?P<amount>{_NUMBER})(?:\.(?P<cents>\d\d))?(?![\d.]*\d)
    | (?P<ordinal>{_NUMBER})(?:st|nd|rd|th)\b
    | (?P<number>{_NUMBER})(?:\.(?P<decimals>\d+))?(?P<percent>\s?%)?
    | \b(?P<title>mrs?|dr|prof)\.(?=\s)""",
    re.VERBOSE,
)


def spoken_form(text: str) -> str:
    """The text in lower case with what stands in figures written out: "$25" is "twenty five dollars".

    A whole number of four digits from 1100 to 1999 and from 2010 to 2099 is read as a year, in two halves; other
    numbers as quantities, without "and"; one of more than twelve digits, or with a leading zero, digit by digit.
    """
    return " ".join(_WRITTEN.sub(_say, text.lower().replace("’", "'").replace("&", " and ")).split())


def in_words(number: int) -> str:
    """A number from 0 to 10^12 - 1: 325 is "three hundred twenty five"."""
    for scale, name in _SCALES:
        if number >= scale:
            count, rest = divmod(number, scale)
            return " ".join([in_words(count), name, *([in_words(rest)] if rest else [])])
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]} {_ONES[ones]}" if ones else _TENS[tens]


def _say(match: re.Match[str]) -> str:
    part = match.groupdict()
    if part["title"]:
        return _TITLES[part["title"]]
    if part["currency"]:
        return f" {_money(part['currency'], part['amount'], part['cents'])} "
    if part["ordinal"]:
        return f" {_ordinal(_cardinal(part['ordinal']))} "
    words = _cardinal(part["number"]) if part["decimals"] or part["percent"] else _year(part["number"])
    if part["decimals"]:
        words += f" point {_digits(part['decimals'])}"
    return f" {words} percent " if part["percent"] else f" {words} "


def _digits(figures: str) -> str:
    return " ".join(_ONES[int(figure)] for figure in figures)


def _cardinal(figures: str) -> str:
    plain = figures.replace(",", "")
    odd = len(plain) > 12 or (plain[0] == "0" and len(plain) > 1)
    return _digits(plain) if odd else in_words(int(plain))


def _year(figures: str) -> str:
    if len(figures) != 4 or not ("1100" <= figures <= "1999" or "2010" <= figures <= "2099"):
        return _cardinal(figures)
    century, rest = int(figures[:2]), int(figures[2:])
    if rest == 0:
        return f"{in_words(century)} hundred"
    return f"{in_words(century)} {'oh ' if rest < 10 else ''}{in_words(rest)}"


def _ordinal(words: str) -> str:
    before, space, last = words.rpartition(" ")
    if last.endswith("y"):
        return f"{before}{space}{last[:-1]}ieth"
    return f"{before}{space}{_ORDINALS.get(last, last + 'th')}"


def _money(sign: str, amount: str, cents: str | None) -> str:
    one, many = _CURRENCIES[sign]
    words = f"{_cardinal(amount)} {one if amount == '1' else many}"
    return f"{words} {in_words(int(cents))}" if cents and int(cents) else words
