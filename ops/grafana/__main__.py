"""`python -m ops.grafana`: writes the dashboards that Grafana is provisioned with."""

from __future__ import annotations

import json
from collections.abc import Iterator

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from ops.grafana.executor import executor
from ops.grafana.judge import judge
from ops.grafana.panels import FOLDER
from ops.grafana.service import service
from ops.grafana.training import training


def documents() -> Iterator[tuple[str, str]]:
    """Yields each dashboard's file name and content."""
    for make in (training, service, executor, judge):
        yield f"{make.__name__}.json", json.dumps(make(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main() -> None:
    """Writes them."""
    for name, text in documents():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
