"""Style of a replay's picture as a file of its own: light and dark by the reader's preference."""

from typing import Final

CSS: Final = (
    "text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif;fill:#1f2328;"
    "font-variant-numeric:tabular-nums}"
    ".title{font-size:17px;font-weight:600}.name{font-weight:600}"
    ".note,.tick,.unit{fill:#59636e}.tick{font-size:11px}.unit{font-size:11px;font-style:italic}"
    ".paper{fill:#fff}.grid{stroke:#e6e9ed}.axis{stroke:#8b949e}"
    ".grid,.axis,.should,.threshold,.kl,.ratio{fill:none}"
    ".kl{stroke:#1d5fa6;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}"
    ".klband{fill:#1d5fa6;stroke:#1d5fa6;fill-opacity:.17;stroke-opacity:.17}.kldot{fill:#1d5fa6}"
    ".ratio{stroke:#57606a;stroke-width:1.3;stroke-linejoin:round;stroke-linecap:round}"
    ".ratioband{fill:#57606a;stroke:#57606a;fill-opacity:.16;stroke-opacity:.16}"
    ".should{stroke:#1f2328;stroke-dasharray:1 3;stroke-linecap:round}"
    ".threshold{stroke:#b3261e;stroke-dasharray:6 4}.limit,.infinite{fill:#b3261e}.infinite{font-size:15px}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.note,.tick,.unit{fill:#9aa5b1}.paper{fill:#12161b}"
    ".grid{stroke:#262d35}.axis{stroke:#68737e}.kl{stroke:#6cb2ff}.klband{fill:#6cb2ff;stroke:#6cb2ff}"
    ".kldot{fill:#6cb2ff}.ratio{stroke:#b4bec8}.ratioband{fill:#b4bec8;stroke:#b4bec8}.should{stroke:#e6edf3}"
    ".threshold{stroke:#ff8a7d}.limit,.infinite{fill:#ff8a7d}}"
)
