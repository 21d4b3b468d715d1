"""Units of measure: as SenML, UCUM, UN/CEFACT and people write them, converted to the register's by pint.

Only known spellings reach pint: a unit comes from outside, and pint reads expressions. Units that look alike and are
not (``C`` is coulomb, not Celsius), levels in decibel, and heights above a datum are not converted but refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pint

LONGEST = 40  # characters of a unit


class UnitError(ValueError):
    """A unit is not known or cannot be converted; the message says what to do."""


class Conversion(NamedTuple):
    """``value * factor + shift``."""

    factor: float
    shift: float


SAME = Conversion(1.0, 0.0)

# What people and devices write, as pint's own words. SenML (RFC 8428, 8798), UCUM's brackets, common spellings.
SPELLED: dict[str, str] = {
    **dict.fromkeys(("1", "", "{count}", "count", "counts", "{people}", "people", "persons", "pedestrians"), "count"),
    **dict.fromkeys(("vehicles", "veh", "{vehicles}", "cars", "ratio", "/", "bool", "boolean", "number"), "count"),
    **dict.fromkeys(("%", "%RH", "%EL", "%rh", "percent", "pct", "/100", "P1"), "percent"),
    **dict.fromkeys(("ppm", "[ppm]", "1/1000000", "59"), "ppm"),
    **dict.fromkeys(("ppb", "[ppb]"), "ppb"),
    "/1000": "permille",
    **dict.fromkeys(("Cel", "degC", "°C", "℃", "deg C", "celsius", "degree_celsius", "CEL"), "degree_Celsius"),
    **dict.fromkeys(("[degF]", "degF", "°F", "℉", "fahrenheit", "FAH"), "degree_Fahrenheit"),
    **dict.fromkeys(("K", "kelvin", "KEL"), "kelvin"),
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "MTR"), "meter"),
    **dict.fromkeys(("mm", "l/m2", "L/m2", "MMT"), "millimeter"),
    **dict.fromkeys(("cm", "CMT"), "centimeter"),
    **dict.fromkeys(("km", "KMT"), "kilometer"),
    **dict.fromkeys(("in", "inch", "inches", "[in_i]", "[in_us]"), "inch"),
    **dict.fromkeys(("ft", "feet", "foot", "[ft_i]"), "foot"),
    **dict.fromkeys(("mi", "mile", "miles", "[mi_i]"), "mile"),
    **dict.fromkeys(("m/s", "mps", "MTS"), "meter / second"),
    **dict.fromkeys(("km/h", "kmh", "kph", "kmph", "KMH"), "kilometer / hour"),
    **dict.fromkeys(("mph", "mi/h", "[mi_i]/h"), "mile / hour"),
    **dict.fromkeys(("kn", "kt", "knot", "knots", "[kn_i]"), "knot"),
    **dict.fromkeys(("mm/h", "mm/hr", "l/m2/h"), "millimeter / hour"),
    **dict.fromkeys(("mm/min",), "millimeter / minute"),
    **dict.fromkeys(("s", "sec", "second", "seconds", "SEC"), "second"),
    **dict.fromkeys(("ms", "C26"), "millisecond"),
    **dict.fromkeys(("min", "minute", "minutes", "MIN"), "minute"),
    **dict.fromkeys(("h", "hr", "hour", "hours", "HUR"), "hour"),
    **dict.fromkeys(("d", "day", "days", "DAY"), "day"),
    **dict.fromkeys(("Pa", "PAL"), "pascal"),
    **dict.fromkeys(("hPa", "mbar", "mb", "A97", "MBR"), "hectopascal"),
    **dict.fromkeys(("kPa", "KPA"), "kilopascal"),
    **dict.fromkeys(("bar", "BAR"), "bar"),
    **dict.fromkeys(("[psi]", "psi"), "psi"),
    **dict.fromkeys(("mm[Hg]", "mmHg"), "millimeter_Hg"),
    **dict.fromkeys(("inHg", "[in_i'Hg]"), "inch_Hg"),
    **dict.fromkeys(("ug/m3", "GQ"), "microgram / meter ** 3"),
    **dict.fromkeys(("mg/m3", "GP"), "milligram / meter ** 3"),
    **dict.fromkeys(("m3/s", "cumec", "cumecs", "MQS"), "meter ** 3 / second"),
    **dict.fromkeys(("m3/h", "MQH"), "meter ** 3 / hour"),
    **dict.fromkeys(("l/s", "L/s", "G51"), "liter / second"),
    **dict.fromkeys(("l", "L", "litre", "liter", "LTR"), "liter"),
    **dict.fromkeys(("m3", "MTQ"), "meter ** 3"),
    **dict.fromkeys(("lx", "lux", "LUX"), "lux"),
    **dict.fromkeys(("W/m2", "D54"), "watt / meter ** 2"),
    **dict.fromkeys(("kWh", "KWH"), "kilowatt_hour"),
    **dict.fromkeys(("Wh", "WHR"), "watt_hour"),
    **dict.fromkeys(("VA", "V.A"), "volt * ampere"),
    **dict.fromkeys(("Ah",), "ampere * hour"),
    **dict.fromkeys(("rpm", "r/min"), "revolutions_per_minute"),
    **dict.fromkeys(("beat/min", "1/min", "/min", "{beats}/min"), "count / minute"),
    **dict.fromkeys(("1/s", "/s"), "count / second"),
    **dict.fromkeys(("1/h", "/h", "veh/h", "vehicles/h", "people/h"), "count / hour"),
    **dict.fromkeys(("deg", "°", "degree", "degrees", "DD"), "degree"),
    **dict.fromkeys(("rad", "radian"), "radian"),
    **dict.fromkeys(("VLT",), "volt"),
    **dict.fromkeys(("AMP",), "ampere"),
    **dict.fromkeys(("WTT",), "watt"),
    **dict.fromkeys(("KWT",), "kilowatt"),
    **dict.fromkeys(("HTZ",), "hertz"),
    **dict.fromkeys(("GRM",), "gram"),
    **dict.fromkeys(("KGM",), "kilogram"),
    **dict.fromkeys(("bit",), "bit"),
    **dict.fromkeys(("B", "byte", "bytes"), "byte"),
    "KiB": "kibibyte",
    "kB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte",
    "bit/s": "bit / second",
    "Mbit/s": "megabit / second",
    "B/s": "byte / second",
    "MB/s": "megabyte / second",
    "C62": "count",
}
# Known, and the same as nothing else: a level, an index, a height above somebody's datum.
ALONE = {"dB", "dBA", "dB(A)", "dBW", "dBm", "pH", "NTU", "FNU", "mASD", "mAOD", "lon", "lat", "AQI", "2N"}
AMBIGUOUS = {
    "C": "coulomb in UCUM; write Cel for degrees Celsius",
    "F": "farad in UCUM; write [degF] for degrees Fahrenheit",
    "M": "a prefix in UCUM; write m for metres or min for minutes",
    "deg/C": "no unit; write Cel for degrees Celsius",
}
PREFIXES = {
    "n": "nano",
    "u": "micro",
    "m": "milli",
    "c": "centi",
    "d": "deci",
    "h": "hecto",
    "k": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
}
ATOMS = {  # of UCUM, that take prefixes
    "m": "meter",
    "g": "gram",
    "s": "second",
    "K": "kelvin",
    "Pa": "pascal",
    "W": "watt",
    "J": "joule",
    "Hz": "hertz",
    "V": "volt",
    "A": "ampere",
    "N": "newton",
    "L": "liter",
    "l": "liter",
    "bar": "bar",
    "Ohm": "ohm",
    "ohm": "ohm",
    "S": "siemens",
    "T": "tesla",
    "lm": "lumen",
    "lx": "lux",
    "Bq": "becquerel",
    "Gy": "gray",
    "Sv": "sievert",
    "mol": "mole",
    "cd": "candela",
    "t": "metric_ton",
    "eV": "electron_volt",
    "Wh": "watt_hour",
    "H": "henry",
    "kat": "katal",
}
WHOLE = {"min": "minute", "h": "hour", "d": "day", "wk": "week", "mo": "month", "a": "year"}  # that take none
FAMILIES = ({"degree", "radian"}, {"bit", "byte", "kibibyte", "kilobyte", "megabyte", "gigabyte"})
_TERM = re.compile(r"([A-Za-z]{1,8})([+-]?[1-4])?")
_PLAIN = str.maketrans({"µ": "u", "μ": "u", "²": "2", "³": "3", "·": ".", "⋅": ".", "−": "-", "⁻": "-", "¹": "1"})


def conversion(given: str, wanted: str) -> Conversion:
    """How values in ``given`` become values in ``wanted``. Raises ``UnitError``, naming both and the remedy."""
    return SAME if given == wanted else _conversion(given, wanted)


def convert(
    value: NDArray[np.float64], given: Sequence[str | None], wanted: Sequence[str]
) -> tuple[NDArray[np.float64], dict[int, str]]:
    """The values (rows,) in the wanted units, and why rows could not be converted; ``None`` given is as wanted."""
    rows = [row for row, unit in enumerate(given) if unit is not None and unit != wanted[row]]
    if not rows:
        return value, {}
    value, failed = value.copy(), {}
    for row in rows:
        try:
            factor, shift = conversion(given[row] or "", wanted[row])
        except UnitError as error:
            failed[row] = str(error)
            continue
        value[row] = value[row] * factor + shift
    return value, failed


def meaning(unit: str) -> str:
    """The unit in pint's words. Raises ``UnitError`` where it is not known."""
    plain = unit.strip().translate(_PLAIN)
    if len(plain) > LONGEST:
        raise UnitError(f"unit {plain[:LONGEST]!r}… has {len(plain)} characters, at most {LONGEST}; write UCUM")
    for one in (plain, plain.lower() if len(plain) > 3 else plain):
        if one in ALONE or one in SPELLED:
            return SPELLED.get(one, one)
    if plain in AMBIGUOUS:
        raise UnitError(f"unit {plain!r} is {AMBIGUOUS[plain]}")
    parts = [_parsed(part) for part in plain.split("/")]
    if len(parts) > 3 or any(part is None for part in parts):
        raise UnitError(f"unit {unit[:LONGEST]!r} is not known; write it as UCUM, such as Cel, m/s, mm/h, ug/m3, %")
    return " / ".join(f"({part})" for part in parts)


def _parsed(part: str) -> str | None:
    """A product of UCUM's units such as ``kg.m2``; ``None`` where one is not known."""
    terms = [_TERM.fullmatch(term) for term in part.split(".")]
    words = [(_word(term[1]), term[2]) for term in terms if term is not None]
    if len(words) != len(terms) or len(words) > 4 or any(word is None for word, _ in words):
        return "count" if part == "1" else None
    return " * ".join(f"{word} ** {int(power)}" if power else str(word) for word, power in words)


def _word(atom: str) -> str | None:
    if atom in WHOLE or atom in ATOMS:
        return WHOLE.get(atom) or ATOMS[atom]
    prefix, unit = PREFIXES.get(atom[0]), ATOMS.get(atom[1:])
    return f"{prefix}{unit}" if prefix and unit else None


@lru_cache(maxsize=4096)
def _conversion(given: str, wanted: str) -> Conversion:
    here, there = meaning(given), meaning(wanted)
    if here == there:
        return SAME
    alone = here in ALONE or there in ALONE
    if alone or any((here in family) != (there in family) for family in FAMILIES):
        raise UnitError(_not_convertible(given, wanted))
    registry = _registry()
    zero = registry.Quantity(Decimal(0), here)
    if not zero.is_compatible_with(there):
        raise UnitError(_not_convertible(given, wanted))
    start, end = (registry.Quantity(Decimal(number), here).to(there).magnitude for number in (0, 1))
    return Conversion(float(end - start), float(start))


def _not_convertible(given: str, wanted: str) -> str:
    return f"unit {given!r} cannot be converted to {wanted!r}; send {wanted}, or register the unit that is measured"


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[Decimal]:
    """Pint's units in decimal numbers, so that no factor carries a rounding error. Takes half a second to make."""
    import pint  # for those who get other units than their own only

    registry: pint.UnitRegistry[Decimal] = pint.UnitRegistry(non_int_type=Decimal)
    if "ppb" not in registry:
        registry.define("ppb = 1e-9 count")
    return registry
