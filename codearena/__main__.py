"""Entry of the command line: `codearena`, or `python -m codearena`."""

from codearena._cli.app import cli


def main() -> None:
    """Runs the command line and exits with its status."""
    cli(prog_name="codearena")


if __name__ == "__main__":
    main()
