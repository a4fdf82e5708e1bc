"""Charts as SVG text: scales, primitives and pictures, without a drawing library."""
