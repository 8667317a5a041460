"""`python -m mixturelab`: the command line, where the `mixturelab` script is not on the path."""

from mixturelab.cli import app

if __name__ == "__main__":
    app(prog_name="python -m mixturelab")
