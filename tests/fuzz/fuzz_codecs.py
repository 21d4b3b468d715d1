"""Every codec under atheris: bytes guided by the code they reach. No exception but the codec's own error.

``python tests/fuzz/fuzz_codecs.py [CODEC …] -- [libFuzzer's options]``, such as ``-runs=100000`` or
``-max_total_time=600``. The samples of the tests are the seeds; a crashing input is written to the current folder.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

with atheris.instrument_imports(include=["sensors.codecs", "sensors.units"]):
    from sensors import units
    from sensors.codecs.errors import Unreadable
    from sensors.codecs.register import CODECS
    from sensors.codecs.sparkplug_session import Session
    from sensors.codecs.values import Observation, line

from tests.sensors.codecs.samples import SAMPLES  # noqa: E402  what is tried must be instrumented first

RUNS = "-runs=20000"


def one_input(data: bytes, names: list[str]) -> None:
    """Decode ``data`` as the sample that its first byte chooses; everything that comes out can be written."""
    chosen = [sample for sample in SAMPLES if sample.codec in names]
    sample = chosen[data[0] % len(chosen)] if data else chosen[0]
    codec, envelope = CODECS[sample.codec], sample.envelope(session=Session())
    try:
        decoded = codec.decode(data[1:], envelope)
        if codec.columns is not None:
            codec.columns(data[1:], envelope)
    except Unreadable as error:
        assert str(error)
        return
    for value in decoded.values[:100]:
        line(value)
        if isinstance(value, Observation) and value.unit is not None:
            try:
                units.conversion(value.unit, "m")
            except units.UnitError as error:
                assert str(error)
    for fault in decoded.faults[:100]:
        assert fault.reason
        decoded.text(fault.index)


def main() -> None:
    """Fuzz the codecs named before ``--``, or all."""
    split = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    names = sys.argv[1:split] or list(CODECS)
    options = sys.argv[split + 1 :] or [RUNS]
    with tempfile.TemporaryDirectory() as corpus:
        chosen = [sample for sample in SAMPLES if sample.codec in names]
        for number, sample in enumerate(chosen):
            Path(corpus, f"{sample.codec}-{sample.form}").write_bytes(bytes([number]) + sample.body)
        atheris.Setup([sys.argv[0], *options, corpus], lambda data: one_input(data, names))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
