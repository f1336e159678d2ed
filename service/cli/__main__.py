"""Lets `python -m service.cli` be the command `convoy`."""

from service.cli.main import main

main(prog_name="convoy")
