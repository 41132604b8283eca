"""English sentences from a small grammar: as they are written, and as they are spoken.

A word with a bar is written as on its left and spoken as on its right (`Dr.|doctor`). Digits, titles, ordinals, money,
contractions, capitals, punctuation and British spellings are written as people write them, so a recogniser that
writes "twenty five dollars" for "$25" is right only after normalisation.
"""

import re
from dataclasses import dataclass

import numpy as np

_NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"
)
_ONES, _TENS = _NUMBERS.split()[:20], _NUMBERS.split()[20:]
_TEMPLATES = (
    "{name} {bought} {count} {things} at the {place}.",
    "{name} and {name} {travelled} to the {place} {when}.",
    "The {quality} {animal} {moved} {where} the {place}.",
    "{I} {contracted} {see} the {quality} {thing} {where} the {place}.",
    "{title} {surname} {visited} the {place} on the {ordinal} of {month}.",
    "The {thing} cost {money}, and {name} {contracted} pay.",
    "In {year}, the {place} was {quality} and {quality}.",
    "{Why} did {name} {see} {count} {things} {when}?",
    "{name}'s {thing} is {colour}, but {name}'s is {colour}.",
    "About {percent} of the {things} were {quality}.",
    "{when_first}, {title} {surname} {bought} a {quality} {thing}.",
    "{Isnt} that {name}'s {colour} {thing} {where} the {place}?",
    "There {were} {count} {animals} {where} the {quality} {place}.",
    "{name} {said} that {he} {contracted} {see} the {animal} {when}.",
    "The {animals} {werent} {quality} because it was {weather}.",
    "{Please} bring {count} {colour} {things} to the {place}.",
    "It was {weather} in {month}, so {he} {moved} {where} the {place}.",
    "{title} {surname} {told} {name} to {see} the {ordinal} {thing}.",
    "If it's {weather}, we'll {see} the {animals} {when}.",
    "{I} {think} the {colour} {animal} {moved} {where} the {thing}.",
)
_WORDS = {
    "name": "Anna Ben Carol David Emma Frank Grace Henry Julia Kevin Laura Martin Nancy Oliver Paula Robert Sarah "
    "Thomas Victor Wendy",
    "surname": "Baker Carter Collins Fisher Hill King Lane Mason Parker Reed Shaw Turner Walker Young",
    "title": "Mr.|mister Mrs.|missus Dr.|doctor Prof.|professor",
    "month": "January February March April May June July August September October November December",
    "bought": "bought sold found lost carried borrowed painted counted ordered hid",
    "travelled": "travelled walked drove hurried moved cycled ran returned",
    "visited": "visited left opened closed painted measured",
    "moved": "slept waited rested stood played fell hid sat jumped sang",
    "said": "said thought knew hoped remembered",
    "told": "told asked wanted helped",
    "think": "think believe hope guess know",
    "see": "see find paint carry watch draw move follow remember describe",
    "contracted": "can't couldn't didn't won't wouldn't shouldn't",
    "Isnt": "Isn't Wasn't",
    "werent": "weren't aren't",
    "were": "were are",
    "he": "he she they",
    "I": "I We You They",
    "Why": "Why When How Where",
    "Please": "Please Now_please Don't Let's",
    "when": "yesterday today in_the_morning after_lunch last_week on_Monday on_Friday before_dinner at_noon "
    "every_night this_summer in_the_evening",
    "when_first": "Yesterday Last_week On_Tuesday Before_breakfast In_the_afternoon Two_days_ago At_first",
    "where": "near behind beside under across_from inside outside in_front_of",
    "weather": "raining snowing windy cold foggy too_hot very_dark cloudy",
    "colour": "red blue green yellow grey brown black white orange purple",
    "quality": "small old quiet clean heavy strange empty warm broken famous pretty dusty modern narrow gentle hungry "
    "bright favourite",
    "animal": "dog horse cat goat fox rabbit duck tiger monkey eagle",
    "animals": "dogs horses cats goats rabbits ducks tigers monkeys eagles",
    "thing": "table lamp basket bottle ticket letter jacket mirror camera guitar blanket hammer bicycle kettle wallet "
    "suitcase clock carpet",
    "things": "tables lamps baskets bottles tickets letters jackets mirrors cameras apples blankets hammers bicycles "
    "buttons candles clocks cups spoons",
    "place": "market station library garden bridge harbour theatre kitchen village museum school river office farm "
    "castle hospital beach bakery",
    # Not 9th: Whisper's normaliser does not know "ninth".
    "ordinal": "1st|first 2nd|second 3rd|third 4th|fourth 5th|fifth 6th|sixth 7th|seventh 8th|eighth 10th|tenth "
    "11th|eleventh 12th|twelfth 13th|thirteenth 14th|fourteenth 15th|fifteenth",
}
_LISTS = {slot: [word.replace("_", " ") for word in words.split()] for slot, words in _WORDS.items()}

_SLOT = re.compile(r"\{(\w+)\}")
_ARTICLE = re.compile(r"\ba(?= [aeiou])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence.

    Attributes:
        written: its transcript.
        spoken: the same with every figure, sign and abbreviation in words.
    """

    written: str
    spoken: str


def sentences(rng: np.random.RandomState, count: int) -> list[Sentence]:
    """So many sentences, no two of which are spoken alike."""
    found: dict[str, Sentence] = {}
    while len(found) < count:
        sentence = _sentence(rng)
        found.setdefault(sentence.spoken, sentence)
    return list(found.values())


def _sentence(rng: np.random.RandomState) -> Sentence:
    template = _TEMPLATES[rng.randint(len(_TEMPLATES))]
    words: list[tuple[str, str]] = []
    for slot in _SLOT.findall(template):
        word = _word(slot, rng)
        while word in words:  # Anna and Anna
            word = _word(slot, rng)
        words.append(word)
    frame = _SLOT.sub("{}", template)
    written, spoken = (frame.format(*side) for side in zip(*words, strict=True))
    return Sentence(_ARTICLE.sub("an", written), _ARTICLE.sub("an", spoken))


def _word(slot: str, rng: np.random.RandomState) -> tuple[str, str]:
    """A slot's word as written and as spoken."""
    if slot == "count":
        number = int(rng.randint(2, 100))
        words = in_words(number)
        return (words if number <= 10 and rng.random_sample() < 0.5 else str(number)), words
    if slot == "money":
        number = int(rng.randint(2, 1000))
        return f"${number}", f"{in_words(number)} dollars"
    if slot == "percent":
        number = int(rng.randint(2, 100))
        return f"{number}%", f"{in_words(number)} percent"
    if slot == "year":
        century, rest = int(rng.randint(15, 20)), int(rng.randint(11, 100))
        return f"{century}{rest}", f"{in_words(century)} {in_words(rest)}"
    word = _LISTS[slot][rng.randint(len(_LISTS[slot]))]
    written, bar, spoken = word.partition("|")
    return written, spoken if bar else written


def in_words(number: int) -> str:
    """A number from 0 to 999 in words, as Americans say it: 325 is "three hundred twenty five"."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[tens - 2])
        rest = ones
    if rest or not words:
        words.append(_ONES[rest])
    return " ".join(words)
