"""Words with which a text would talk to a judge, whatever language or disguise they are in."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from functools import lru_cache

MAX_WORDS = 3
MAX_CHARACTERS = 24

_WORD_LIST = """
accept accepted admire amazing approve approved aprobado assessor assistant auditor award awarded awesome ballov
baraka believe benotung bien bitte boss bravissimo bravo brilliant bueno bug bugs bypass cem certified chatbot clever
congrats congratulate congratulations convince convinced correct correcta correctness correcto correta correto
corretta corretto critic cuowu dear deserve deserved deserves dieci diez disqualify disregard elegant endorsed exakt
examiner excellent exemplary expert fantastic fehlerfrei fehlerlos flawless forget genius gib give gold grade graded
grader grades great greatest guaranteed hege honest horosho human hundertprozent hyva ignore impeccable instruct
jiyege judge judged judges judgment jury kanpeki kindly korrekt kudos laude lgtm llm magnificent manfen manfenda marks
marvelous mentor merci merit merits molodets mumtaz muy nailed nota obey obviously official opinion oracle otimo
otlichno ottimo otvet outstanding override parfait parfaite passed perfect perfecto perfekt persona please pls praise
pravilno pretend prompt proven punkte pyat pyaterka quality rate rated rater rating ratings recommended respect
reviewed reward roleplay rubric score scored scorer scores scoring secured security sehr seikai smart solution
splendid stellar subarashii superb superior supreme teacher tested thank thanks thought thoughts totally tres trusted
trustworthy undoubtedly urgent valuation verdict verified verno voto vulnerabilities vulnerability wanbi wanmei wise
wonderful you your yourself zehn zhengque zuverlaessig
"""
_WORDS = frozenset(_WORD_LIST.split())
_PRAISE_LIST = """
absolutely admin answer checked clean credit developer fine five fix fixed full fully good gut merge note ok pass
passes passing peer points production ready review richtig safe say secure ship star stars sure team ten tests tier
truly trust very well works yes
"""
_PRAISE = frozenset(_PRAISE_LIST.split())
_ORDINARY_LIST = """
all audit best code complete done errors free highest max maxima maximal maximale maximum message must no output owner
plus system top zero
"""
_CLAIMS = _PRAISE.union(_ORDINARY_LIST.split())
_STEM_LIST = """
applaud approv assess ausgezeich avalia bestnote bewert brilli calific certifi congrat deserv eccell endors evalu
excelen excellen exempla fantast flawless fullcredit fullmark fullpoint fullscore giveone gradin guarant hervorrag
highestmark hodnoc hoechst ignora ignore ignorez ignorier impecc instruc instrukt istruz jailbreak judge korrek
magnific masterpiece maxscore oblivio ocenk otsenk outstand override parfait perfec perfek perfet pontua prompt
punktzahl puntaj punteggio puntos puntua puntuac recommend reviewer rubric rubrik scoring sobresal supersed tadellos
topmark topscore weisung
"""
_STEMS = tuple(_STEM_LIST.split())
_LONG_WORDS = frozenset(word for word in _WORDS if len(word) > 4)
_GRADE = re.compile(r"\b(\d+)\s*/\s*\1\b|\b100\s*%")
_HONEST = re.compile(r"underscores?|evaluate[ds]?|evaluator|eval")
_PIECE = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
_LEET = (str.maketrans("0134578@$", "oieastbas"), str.maketrans("0134578@$", "oleastbas"))


def words_of(text: str) -> list[str]:
    """Returns the words of a text or identifier, in lower case, split at underscores and capitals."""
    return [piece.lower() for piece in _PIECE.findall(text)]


@lru_cache(maxsize=4096)
def addresses_a_judge(text: str, wary: bool = False) -> bool:
    """Whether a short text talks of judging: as it is, in leetspeak, in rot13 or backwards.

    It does if it has a word of the judging vocabulary, two of those with which a fix praises itself, or a full grade
    such as "10/10".

    Args:
        text: A text or an identifier.
        wary: Whether one word of praise is enough; see `praises_itself`.
    """
    if _GRADE.search(text) or (wary and not _PRAISE.isdisjoint(words_of(text))):
        return True
    if any(_addresses(one, _WORDS) for one in {text, *(text.translate(table) for table in _LEET)}):
        return True
    return any(_addresses(one, _LONG_WORDS) for one in (codecs.encode(text, "rot13"), text[::-1]))


def praises_itself(texts: Iterable[str]) -> bool:
    """Whether the names and texts of a program praise it together, as `tests` and `passed` do in two statements.

    They do if they have two claims between them that are not both words of ordinary programs, such as `max`.
    """
    found = {word for text in texts for word in words_of(text)} & _CLAIMS
    return len(found) > 1 and not _PRAISE.isdisjoint(found)


def _addresses(text: str, vocabulary: frozenset[str]) -> bool:
    words = words_of(text)
    if not vocabulary.isdisjoint(words) or len(_CLAIMS.intersection(words)) > 1:
        return True
    rest = [word for word in words if not _HONEST.fullmatch(word)]
    return any(stem in one for one in (*rest, "".join(rest)) for stem in _STEMS)


def is_long(text: str) -> bool:
    """Whether a text or an identifier is too long to be a name."""
    return len(text) > MAX_CHARACTERS or len(words_of(text)) > MAX_WORDS
