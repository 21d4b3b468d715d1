"""Units: what people write is converted, what looks alike and is not is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.units import ALONE, ATOMS, PREFIXES, SPELLED, WHOLE, UnitError, conversion, convert, meaning


@pytest.mark.parametrize(
    ("given_unit", "wanted", "value", "expected"),
    [
        ("[degF]", "Cel", 212.0, 100.0),
        ("°C", "K", 20.0, 293.15),
        ("km/h", "m/s", 36.0, 10.0),
        ("MTS", "km/h", 10.0, 36.0),
        ("mph", "km/h", 100.0, 160.9344),
        ("kn", "m/s", 1.0, 1852 / 3600),
        ("mm", "m", 250.0, 0.25),
        ("l/m2", "mm", 3.0, 3.0),
        ("mm/min", "mm/h", 0.5, 30.0),
        ("mbar", "Pa", 1013.25, 101325.0),
        ("µg/m³", "mg/m3", 35.0, 0.035),
        ("%", "1", 40.0, 0.4),
        ("%RH", "%", 40.0, 40.0),
        ("ppb", "ppm", 500.0, 0.5),
        ("cumecs", "l/s", 1.5, 1500.0),
        ("m3.s-1", "m3/s", 2.0, 2.0),
        ("kW.h", "kWh", 3.0, 3.0),
        ("veh/h", "1/min", 600.0, 10.0),
        ("people", "1", 7.0, 7.0),
        ("uS/cm", "S/m", 10_000.0, 1.0),
        ("MB", "B", 1.0, 1e6),
        ("deg", "rad", 180.0, np.pi),
    ],
)
def test_values_are_converted(given_unit: str, wanted: str, value: float, expected: float) -> None:
    """SenML, UCUM, UN/CEFACT and what people write."""
    factor, shift = conversion(given_unit, wanted)
    assert value * factor + shift == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("given_unit", "wanted", "reason"),
    [
        ("C", "Cel", "coulomb in UCUM; write Cel for degrees Celsius"),
        ("F", "Cel", "write [degF] for degrees Fahrenheit"),
        ("m", "s", "unit 'm' cannot be converted to 's'; send s, or register the unit that is measured"),
        ("deg", "1", "cannot be converted"),
        ("bit", "1", "cannot be converted"),
        ("dBA", "dB", "cannot be converted"),
        ("mASD", "m", "cannot be converted"),
        ("furlong", "m", "unit 'furlong' is not known; write it as UCUM"),
        ("9**9**9**9", "m", "is not known"),
        ("m" * 1000, "m", "has 1000 characters, at most 40"),
        ("__import__('os')", "m", "is not known"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(given_unit: str, wanted: str, reason: str) -> None:
    """The refusal names both units and what to do; no text reaches pint that is not a unit."""
    with pytest.raises(UnitError) as refused:
        conversion(given_unit, wanted)
    assert reason in str(refused.value)


@pytest.mark.parametrize("unit", sorted({*SPELLED, *ALONE}))
def test_every_known_spelling_is_a_unit(unit: str) -> None:
    """Each spelling in the table can be converted to itself by its meaning, and means one thing."""
    assert meaning(unit)
    assert conversion(unit, unit) == (1.0, 0.0)
    if unit not in ALONE:
        factor, _ = conversion(unit, f" {unit} ".strip() if unit else "1")
        assert factor == 1.0


@pytest.mark.parametrize("unit", sorted({*ATOMS, *WHOLE}))
def test_every_unit_of_ucum_takes_its_prefixes(unit: str) -> None:
    """Each unit in the table, with each prefix where it takes them, in products and quotients, is known to pint."""
    for name in [unit, *(prefix + unit for prefix in PREFIXES if unit in ATOMS)]:
        for compound in (name, f"{name}2", f"kg.{name}", f"1/{name}", f"{name}/m3"):
            assert conversion(f" {compound}", compound) == (1.0, 0.0)
            with pytest.raises(UnitError):
                conversion(compound, "mol.cd")


@given(st.text(max_size=50), st.sampled_from(["m", "Cel", "1", "km/h"]))
def test_any_text_is_a_unit_or_refused(unit: str, wanted: str) -> None:
    """No text raises anything but its refusal."""
    try:
        factor, shift = conversion(unit, wanted)
    except UnitError as error:
        assert str(error)
    else:
        assert np.isfinite([factor, shift]).all()


def test_columns_are_converted_row_by_row() -> None:
    """Each row from its own unit to its own; none given is as wanted; what fails is told by its row."""
    value = np.array([1.0, 36.0, 5.0, 20.0])
    found, failed = convert(value, [None, "km/h", "s", "Cel"], ["m", "m/s", "m", "K"])
    assert found.tolist() == [1.0, 10.0, 5.0, 293.15]
    assert list(failed) == [2]
    assert value.tolist() == [1.0, 36.0, 5.0, 20.0]
    same, none = convert(value, ["m"] * 4, ["m"] * 4)
    assert same is value
    assert none == {}
