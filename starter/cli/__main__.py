"""`python -m starter.cli` is `poolwright`."""

from starter.cli import main

main()
