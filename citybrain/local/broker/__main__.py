"""``python -m citybrain.local.broker --data DIR --port P``: run the embedded broker until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import logging
import resource
import signal
import sys
from pathlib import Path

from citybrain.local.broker.errors import CorruptLog
from citybrain.local.broker.server import Broker, DataFolderInUse, Options


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="citybrain.local.broker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder for everything it keeps")
    parser.add_argument("--port", type=int, default=0, help="0 = any free one; the port is written to DIR/port")
    parser.add_argument("--auto-create", action="store_true", help="make topics that clients ask for")
    parser.add_argument("--upkeep", type=float, default=30.0, help="seconds between clean-ups (retention, compaction)")
    given = parser.parse_args()
    return Options(given.data, given.port, given.auto_create, given.upkeep)


async def _serve(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Broker(options).run(stop)


def main() -> int:
    """Run the broker; 1 with one clear line when it cannot."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        asyncio.run(_serve(_options()))
    except (CorruptLog, DataFolderInUse, OSError) as error:
        print(f"the embedded broker cannot run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
