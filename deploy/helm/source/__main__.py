"""Write the chart's generated files and the plain manifests: `python -m deploy.helm.source`, or `make golden`."""

import sys
from pathlib import Path
from typing import Final

from deploy.helm.source.documents import readme_with_values, values_text
from deploy.helm.source.manifests import BASE, HelmMissingError, manifests
from deploy.helm.source.rules import defaults_text, rules_text
from deploy.helm.source.schema import schema_text

CHART: Final = Path(__file__).parents[1] / "klaxon"
_DASHBOARDS: Final = Path(__file__).parents[2] / "grafana"


def chart_files() -> dict[Path, str]:
    """Return every generated file of the chart with its text."""
    readme = CHART / "README.md"
    dashboards = {CHART / "files" / path.name: path.read_text(encoding="utf-8") for path in _DASHBOARDS.glob("*.json")}
    return {
        CHART / "values.yaml": values_text(),
        CHART / "values.schema.json": schema_text(),
        readme: readme_with_values(readme.read_text(encoding="utf-8")),
        CHART / "files" / "rules.yaml": rules_text(),
        CHART / "files" / "defaults.json": defaults_text(),
        **dashboards,
    }


def main() -> None:
    """Write all of them; the manifests only where helm is there."""
    for path, text in chart_files().items():
        path.write_text(text, encoding="utf-8")
    try:
        written = manifests(CHART)
    except HelmMissingError as missing:
        sys.exit(f"{BASE}: not written, {missing}")
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
