"""The command line: arguments in, `pipeline` does the work, words out. Bad input is one line and exit code 2."""

from __future__ import annotations

import csv as csv_format
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable
from typer.core import TyperGroup

if TYPE_CHECKING:
    from mixturelab.pipeline import Outcome

# The package is imported inside the commands: `mixturelab --help` shall not wait for torch.


class OneLineErrors(TyperGroup):
    """Commands whose errors a person caused are one line on standard error, and exit code 2."""

    def main(self, args: Any = None, *rest: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Run a command line; in Python (``standalone_mode=False``) errors are raised as they are."""

        def run() -> Any:
            return super(OneLineErrors, self).main(args, *rest, **extra | {"standalone_mode": False})

        return one_line_errors(run) if standalone_mode else run()


def one_line_errors(work: Callable[[], Any]) -> NoReturn:
    """Run it and exit: 0, or what it returns if that is a number, 2 after an error that a person caused."""
    try:
        result = work()
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except Exception as error:
        # Usage errors, whose base class Typer does not make public, can format themselves.
        if hasattr(error, "format_message"):
            _fail(error.format_message())
        if not _has_a_cause_outside(error):
            raise
        _fail(str(error))
    sys.exit(result if isinstance(result, int) else 0)


def _has_a_cause_outside(error: Exception) -> bool:
    """Whether the data, a file or an argument is at fault, and not this program."""
    from mixturelab.exceptions import MixtureLabError

    return isinstance(error, (MixtureLabError, OSError))


def _fail(message: str) -> NoReturn:
    typer.echo(f"mixturelab: {' '.join(message.split())}", err=True)
    sys.exit(2)


app = typer.Typer(
    cls=OneLineErrors,
    help="Gaussian mixtures: choose, fit, look at and use them.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Csv = Annotated[
    Path, typer.Argument(metavar="CSV", help="A table with a header; its numeric columns are used.")
]
Model = Annotated[Path, typer.Argument(metavar="MODEL", help="A .safetensors file written by fit or select.")]
Columns = Annotated[
    str | None,
    typer.Option(
        help='Names of the columns to use, separated by commas; "a, b" in quotes. Default: all that are numeric.'
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Equal seeds give equal results.")]
Starts = Annotated[
    int, typer.Option("--n-init", min=1, help="Starts of each fit; the best honest one is kept.")
]
REG_COVAR = "Added to the diagonal of each covariance, in the squared units of the columns."
Trust = Annotated[
    bool, typer.Option("--trust", help="Open a joblib file too. It can run any code: only if you made it.")
]


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        from mixturelab import __version__

        typer.echo(f"mixturelab {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def fit(
    csv: Csv,
    n_components: Annotated[
        int, typer.Option("--n-components", "-k", min=1, help="K, the number of Gaussians.")
    ],
    covariance_type: Annotated[str, typer.Option(help="full, tied, diag or spherical.")] = "full",
    out: Annotated[Path, typer.Option(help="Folder for the model, its numbers and pictures.")] = Path(
        "artifacts"
    ),
    columns: Columns = None,
    seed: Seed = 0,
    n_init: Starts = 5,
    max_iter: Annotated[int, typer.Option(min=1, help="Most iterations of EM.")] = 1000,
    tol: Annotated[
        float, typer.Option(min=0, help="Stop when the log-likelihood per row gains less.")
    ] = 1e-6,
    reg_covar: Annotated[float, typer.Option(min=0, help=REG_COVAR)] = 1e-6,
) -> None:
    """Fit one mixture, with a number of components and a covariance family that you choose."""
    from mixturelab import pipeline

    settings: dict[str, Any] = {
        "seed": seed,
        "n_init": n_init,
        "max_iter": max_iter,
        "tol": tol,
        "reg_covar": reg_covar,
    }
    table = pipeline.read_table(csv, _columns(columns))
    pipeline.check_folder(out)
    outcome = pipeline.fit_table(table, n_components, covariance_type, **settings)
    typer.echo(pipeline.report(outcome, pipeline.write_artifacts(outcome, out)))


@app.command()
def select(
    csv: Csv,
    min_components: Annotated[int, typer.Option(min=1, help="The smallest K to try.")] = 1,
    max_components: Annotated[
        int | None, typer.Option(min=1, help="The largest K to try. Default: 9.")
    ] = None,
    covariance_type: Annotated[
        str, typer.Option(help="Families to try, separated by commas.")
    ] = "full,tied,diag,spherical",
    criterion: Annotated[str, typer.Option(help="bic, aic, icl, heldout or cv.")] = "bic",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the winner, its numbers and pictures. Default: write nothing."),
    ] = None,
    columns: Columns = None,
    seed: Seed = 0,
    n_init: Starts = 10,
    reg_covar: Annotated[
        float | None,
        typer.Option(
            min=0, help=f"{REG_COVAR} Default: 1e-06, and less where a column's variance is below 1."
        ),
    ] = None,
) -> None:
    """Compare numbers of components and covariance families, and name the winner."""
    from mixturelab import pipeline

    table = pipeline.read_table(csv, _columns(columns))
    if out is not None:
        pipeline.check_folder(out)
    ks = pipeline.component_range(table, min_components, max_components)
    settings: dict[str, Any] = {"seed": seed, "n_init": n_init, "reg_covar": reg_covar}
    families = [name for name in _names(covariance_type) if name]
    outcome = pipeline.select_table(table, ks, families, criterion, **settings, progress=sys.stderr.isatty())
    _print_selection(outcome)
    files = [] if out is None else pipeline.write_artifacts(outcome, out)
    typer.echo(pipeline.report(outcome, files))


@app.command()
def info(model: Model) -> None:
    """Say what a model file holds and where it came from. Nothing in the file is run."""
    from mixturelab import pipeline

    typer.echo(pipeline.describe_file(model))


@app.command()
def score(
    model: Model,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="A CSV, Parquet, Arrow or .npy file, a folder of such files of one kind, or - for standard input.",
        ),
    ],
    out: Annotated[
        str, typer.Option(help="The file to write: .csv, .parquet or .npy. Default: -, standard output.")
    ] = "-",
    format: Annotated[
        str | None, typer.Option(help="csv, parquet, npy or arrow, where the output's name does not say it.")
    ] = None,
    input_format: Annotated[
        str | None, typer.Option(help="csv, parquet, npy or arrow, where the input's name does not say it.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="The model's features in the input, in its order; not for .npy files, whose columns have no names. "
            "Default: those of the same names."
        ),
    ] = None,
    keep: Annotated[
        str, typer.Option(help="Columns of the input to pass through, separated by commas, or all.")
    ] = "",
    only: Annotated[
        str | None,
        typer.Option(help="Of row, component, log_density, uncertainty, responsibilities. Default: all."),
    ] = None,
    bad_rows: Annotated[
        str | None,
        typer.Option(
            help="side: rows without scores go to a file beside the output; stop: end at the first."
        ),
    ] = None,
    bad_out: Annotated[
        str | None, typer.Option(help="That file. Default: the output's name with .bad.csv at its end.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where the same command was interrupted or killed.")
    ] = False,
    chunk_rows: Annotated[
        int | None, typer.Option(min=1, help="Rows at a time. Default: by their width.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show errors alone.")] = False,
    trust: Trust = False,
) -> None:
    """Give every row of a table its log density, its component and its responsibilities.

    The table may be longer than memory. Exit code 0: done; 1: no row could be scored; 2: an error; 130: Ctrl-C.
    """
    from mixturelab.scoring import Job, terminal

    job = Job(
        model, source, out, format, input_format, "all" if keep == "all" else tuple(_names(keep)),
        None if only is None else tuple(_names(only)), None if columns is None else tuple(_names(columns)),
        bad_rows, bad_out, resume, chunk_rows, trust,
    )  # fmt: skip
    raise typer.Exit(terminal.score(job, typer.echo, _warn, quiet))


@app.command()
def serve(
    model: Model,
    host: Annotated[str, typer.Option(help="The address to serve at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for one that is free.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file whose first line clients must show as a bearer token. "
            "Default: the variable MIXTURELAB_TOKEN, or none."
        ),
    ] = None,
    open_to_all: Annotated[
        bool, typer.Option("--open-to-all", help="Serve other computers without a token.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A further name by which clients may address it, beside those of loopback and --host; can be "
            "repeated. On other addresses any name will do unless this is given.",
        ),
    ] = None,
    max_rows: Annotated[int, typer.Option(min=1, help="Rows of one request.")] = 500_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one request.")] = 64 << 20,
    max_samples: Annotated[int, typer.Option(min=1, help="Rows that /sample draws at once.")] = 100_000,
    seconds: Annotated[float, typer.Option(help="What one answer may take.")] = 30.0,
    receive_seconds: Annotated[float, typer.Option(help="What a client may take to send a request.")] = 30.0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Large requests computed at once. Default: one a processor, at most 4."),
    ] = None,
    grace: Annotated[
        float, typer.Option(min=1, help="Seconds to finish requests in when told to stop.")
    ] = 30.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No line in the log for each request.")] = False,
    trust: Trust = False,
) -> None:
    """Serve a model over HTTP: responsibilities and scores as JSON, Arrow or Parquet, samples as JSON, and a page at /.

    Ends with Ctrl-C or SIGTERM, after the requests that have begun. Exit code 0: all were finished; 1: some were cut
    off; 2: it could not start.
    """
    from mixturelab.serve import command

    limits = {
        "max_rows": max_rows, "max_bytes": max_bytes, "max_samples": max_samples, "seconds": seconds,
        "receive_seconds": receive_seconds, "log_requests": not quiet,
    }  # fmt: skip
    options = {"host": host, "port": port, "trust": trust, "open_to_all": open_to_all, "grace": grace}
    raise typer.Exit(
        command.serve(model, limits, workers, token_file, allow_host or [], typer.echo, **options)
    )


@app.command()
def lab(
    notebook: Annotated[Path | None, typer.Argument(help="The notebook to open. Default: the first.")] = None,
) -> None:
    """Open the notebooks in JupyterLab."""
    from mixturelab.lab import open_lab

    raise typer.Exit(open_lab(notebook))


@app.command()
def simclr(
    config: Annotated[
        Path | None, typer.Option(help="A YAML file of settings. Default: with --resume, the run's own.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run's folder. Default: artifacts/ and the config's name."),
    ] = None,
    experiment: Annotated[
        str | None,
        typer.Option(help="healthy, low_rank_collapse, complete_collapse or no_augmentation."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in the folder, as if it had not stopped.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Instead of the config's.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the config's.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:1; instead of the config's.")] = None,
    rank_timeout: Annotated[
        float,
        typer.Option(min=1, metavar="SECONDS", help="Under torchrun: how long to wait for another process."),
    ] = 300,
) -> None:
    """Train a small SimCLR, keep the mixture of its embeddings, and write a run folder. Ctrl-C stops it whole.

    On several processes: torchrun --nproc-per-node 2 -m mixturelab simclr … makes the same steps, each process with its
    part of every batch.
    """
    from mixturelab.simclr import edge
    from mixturelab.watch import ViewWriter

    changes = {"seed": seed, "epochs": epochs, "device": device}
    with edge.processes(rank_timeout, _warn) as group:
        settings, folder = edge.prepare(config, out, experiment, resume, changes, group)
        with edge.warnings_as_lines(_warn, group), ViewWriter(folder) as view:
            result = edge.train(settings, folder, resume=resume, progress=sys.stderr.isatty(), on_step=view)
        code = edge.finish(result, typer.echo, _warn)
    raise typer.Exit(code)


def _warn(line: str) -> None:
    typer.echo(f"mixturelab: {line}", err=True)


@app.command()
def watch(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="The folder of a run, also of another machine's.")
    ],
    once: Annotated[bool, typer.Option("--once", help="Show the numbers once and end.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a run that has not begun yet.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 1.0,
) -> None:
    """Follow a run that trains elsewhere: its numbers, and its alarms in words.

    Ends with the run, or with Ctrl-C. Exit code 0: all is well; 1: an alarm is on, the loss is not finite, or
    nothing comes any more; 2: there is no run.
    """
    from mixturelab.watch import terminal

    raise typer.Exit(terminal.watch(run, once=once, wait=wait, every=every))


def _names(text: str) -> list[str]:
    """``'a, "b, in m"'`` as ``["a", "b, in m"]``: quoted as a CSV header is."""
    rows = csv_format.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    return [name.strip() for row in rows for name in row]


def _columns(text: str | None) -> list[str] | None:
    return None if text is None else _names(text)


def _print_selection(outcome: Outcome) -> None:
    """The comparison as a table; the winner and the spurious fits are marked in words and colour."""
    from mixturelab.pipeline import selection_rows

    selection = outcome.selection
    assert selection is not None
    table = RichTable(box=None, pad_edge=False, header_style="bold")
    for name in ("family", "K", "parameters", "log-likelihood a row", selection.criterion, ""):
        table.add_column(name, justify="left" if name in ("family", "") else "right", no_wrap=bool(name))
    for cells, mark in selection_rows(selection):
        table.add_row(*map(escape, cells), style={"winner": "bold green", "spurious": "dim"}.get(mark))
    console = Console(highlight=False)
    console.print(table)
    console.print()
