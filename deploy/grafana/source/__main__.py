"""Write the dashboards: `python -m deploy.grafana.source`, or `make golden`."""

import json
from pathlib import Path
from typing import Final

from deploy.grafana.source.frame import DAEMON, OVERVIEW, SERIES, as_read
from deploy.grafana.source.klaxond import klaxond
from deploy.grafana.source.overview import overview
from deploy.grafana.source.series import series

FOLDER: Final = Path(__file__).parents[1]
DASHBOARDS: Final = {OVERVIEW: overview, SERIES: series, DAEMON: klaxond}


def text(uid: str) -> str:
    """Return a dashboard as Grafana reads it."""
    return json.dumps(as_read(DASHBOARDS[uid]().build()), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text(name))
