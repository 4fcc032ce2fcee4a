"""``python -m ilk.cli``, as launchers such as torchrun start it."""

from ilk.cli import main

main()
