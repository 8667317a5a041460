"""A run watched while it trains, in this process or another: curves, embeddings, alarms, and a button that ends it."""

import html
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import ipywidgets
from IPython import get_ipython
from IPython.display import DisplayHandle

from mixturelab.exceptions import ArgumentError
from mixturelab.plot import picture
from mixturelab.plot.follower import Follower
from mixturelab.plot.live import WIDTH, RunDrawing
from mixturelab.plot.live_words import alarm_html, alternative, folder_words, headline, reading_words
from mixturelab.plot.stop_button import StopButton, kernel_id
from mixturelab.watch.reading import Reading
from mixturelab.watch.record import Record
from mixturelab.watch.stopping import StopWish, interrupts_as_wishes
from mixturelab.watch.view import Status, View
from mixturelab.watch.words import alarm_words
from mixturelab.watch.writer import Camera, ViewWriter

__all__ = ["LiveMonitor"]

_SHARE = 0.02  # at most this much of the time goes into drawing
_LATEST = 1.75  # but a frame comes after so many seconds, however long it takes
_OF_A_TRAINER = ("network", "images", "estimator", "step", "n_steps", "losses", "history", "__iter__")
_WIDGET = "application/vnd.jupyter.widget-view+json"


class LiveMonitor(ipywidgets.VBox):
    """Loss, mixture and embeddings of a run, drawn while it trains, with its alarms in words.

    Of a trainer in this process: display it, then loop over `track`. Its Stop button, and the notebook's own, end the
    loop between two whole steps; nothing is lost, and another `track` goes on. At the end the last frame stands in the
    page as a plain picture. Of a run elsewhere: give its folder, and display it; a thread looks there for news until
    the run is finished or `close` is called.

    Parameters
    ----------
    source : Trainer or path, optional
        What to watch. Default: a loop of your own, which calls `update`.
    title : str, optional
        What the run is called. Default: the folder's name, or "run".
    n_steps : int, optional
        How many steps to follow; `track` ends there. Default: as many as the trainer makes.
    folder : path, optional
        Of a trainer: where ``view.safetensors`` is kept up to date, for monitors in other processes.
    every : float
        Seconds between two frames, at least.
    clock : callable
        Gives the time in seconds.

    Raises
    ------
    ArgumentError
        If the source is neither a trainer nor a path, or an argument does not go with it.

    Examples
    --------
    >>> monitor = LiveMonitor(trainer)  # doctest: +SKIP
    >>> display(monitor)  # doctest: +SKIP
    >>> for step in monitor.track():  # doctest: +SKIP
    ...     pass

    >>> LiveMonitor("artifacts/run")  # doctest: +SKIP
    """

    _follower: Follower | None = None

    def __init__(
        self,
        source: Any = None,
        title: str | None = None,
        *,
        n_steps: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        every: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        is_path = isinstance(source, str | os.PathLike)
        _check(source, n_steps, folder, every)
        self.title = title or (Path(source).resolve().name if is_path else "run")
        self.trainer: Any = None if is_path else source
        self.n_steps = n_steps if n_steps is not None or self.trainer is None else self.trainer.n_steps
        self.every = every
        self.record = Record()
        self.view: View | None = None
        self.is_running = False
        self._clock, self._due = clock, -math.inf
        self._writer = None if folder is None else ViewWriter(folder)
        self._camera: Camera | None = None
        self._state, self._wish = "", StopWish()
        self._drawing = RunDrawing(self.n_steps)
        self._handle: Any = None
        self._follower = Follower(self, source) if is_path else None
        # Without a margin at its sides: with one it would be wider than a narrow page.
        size = {"max_width": "100%", "width": f"{WIDTH}px", "margin": "2px 0"}
        self.image = ipywidgets.Image(value=self._png(), format="png", layout=size)
        self.words, self.alarm = ipywidgets.HTML(), ipywidgets.HTML()
        self.button = None if is_path else StopButton(kernel_id())
        # The button first: it is seen without scrolling.
        super().__init__([*([self.button] if self.button else []), self.image, self.alarm, self.words])
        if self._follower is not None:
            self._follower.look()

    # -------------------------------------------------------------------------------- in this process
    def track(self, steps: Iterable[Any] | None = None) -> Iterator[Any]:
        """Iterate, and draw while that goes on; an interrupt ends the loop between two steps.

        Parameters
        ----------
        steps : iterable, optional
            Of a loop of your own, such as ``range(100)``, whose numbers `update` gets. Default: the trainer.

        Yields
        ------
        Step, or what the iterable gives
        """
        if steps is None and self.trainer is None:
            raise ArgumentError("steps is missing, and the monitor has no trainer; wanted one of them")
        chosen: Iterable[Any] = self.trainer if steps is None else steps
        return self._track(chosen)

    def _track(self, steps: Iterable[Any]) -> Iterator[Any]:
        with interrupts_as_wishes() as self._wish:
            self._begin()
            try:
                for step in steps:
                    self._draw_if_due()
                    yield step
                    if self._wish.made or self._is_over:
                        break
            finally:
                self.final()

    def on_step(self, step: Any) -> str | None:
        """Follow a run that `mixturelab.simclr.train` makes: ``train(config, folder, on_step=monitor.on_step)``.

        Parameters
        ----------
        step : Step

        Returns
        -------
        str or None
            "stop" after `n_steps`.
        """
        if self.trainer is not step.trainer:
            self._attach(step.trainer)
        elif not self.is_running:
            self._begin()
        self._draw_if_due()
        if self._is_over or step.trainer.step >= step.trainer.n_steps:
            self.final()
            return "stop"
        return None

    def _attach(self, trainer: Any) -> None:
        self.trainer, self._camera, self.record = trainer, None, Record()
        if self.n_steps is None:
            self.n_steps = trainer.n_steps
            self._drawing.set_end(self.n_steps)
        self._begin()

    def update(self, step: int, loss: float | None = None, row: Mapping[str, Any] | None = None) -> bool:
        """Take one step's numbers in a loop of your own, and draw if it is time to.

        Parameters
        ----------
        step : int
        loss : float, optional
        row : mapping, optional
            What `MixtureStats.log_step` returned.

        Returns
        -------
        bool
            Whether it was drawn.
        """
        self.record.add(step, {**(row or {}), **({} if loss is None else {"loss": loss})})
        return self._draw_if_due()

    def final(self) -> None:
        """Draw the last frame, and leave it in the page as a plain picture in the widget's place."""
        self.is_running = False
        self._state = "stopped" if self._wish.made else ""
        self._collect()
        self._look(is_last=True)
        self._draw()
        if self.button is not None:
            self.button.rest("Stopped between two steps." if self._wish.made else "")
        self._put_in_place(is_live=False)

    def _begin(self) -> None:
        self.is_running, self._state, self._due = True, "", -math.inf
        if self.button is not None:
            self.button.arm()
        self._put_in_place(is_live=True)
        _when_the_cell_ends(self._end_with_the_cell)

    def _end_with_the_cell(self) -> None:
        """An error in the loop, or a run that was stopped from elsewhere: then nobody else says that it is over."""
        if self.is_running:
            self.final()

    @property
    def _is_over(self) -> bool:
        return self.trainer is not None and self.n_steps is not None and self.trainer.step >= self.n_steps

    # ------------------------------------------------------------------------------ in another process
    def close(self) -> None:
        """Look at the folder no more; and free the widget."""
        if self._follower is not None:
            self._follower.stop()
        super().close()

    def show(self, record: Record, view: View | None, reading: Reading) -> None:
        """Draw what was read of a run."""
        self.record, self.view = record, view
        if reading.n_steps is not None and reading.n_steps != self.n_steps:
            self.n_steps = reading.n_steps
            self._drawing.set_end(self.n_steps)
        self._state = {"training": "", "finished": "", "waiting": "waiting for the first step"}.get(
            reading.state, reading.state
        )
        self._draw(folder_words(reading))

    # ------------------------------------------------------------------------------------------- frames
    def _draw_if_due(self) -> bool:
        began = self._clock()
        if began < self._due:
            return False
        self._collect()
        self._look()
        self._draw()
        wanted = max(self.every, (self._clock() - began) / _SHARE)
        self._due = began + min(wanted, max(self.every, _LATEST))
        return True

    def _collect(self) -> None:
        """What the trainer has done since the last frame: asking a GPU for each step's loss would make it wait."""
        if self.trainer is None:
            return
        first = 0 if self.record.step >= self.trainer.step else self.record.step + 1
        for number, loss in enumerate(self.trainer.losses[first : self.trainer.step], start=first):
            self.record.add(number, {"loss": loss})
        rows = takewhile(lambda row: row["step"] >= first, reversed(self.trainer.history))
        for row in reversed(list(rows)):
            self.record.add(row["step"], row)

    def _look(self, is_last: bool = False) -> None:
        """Take a view, if it is time to, and write it where others look."""
        if self.trainer is None:
            return
        if self._camera is None:
            self._camera = Camera(self.trainer, clock=self._clock)
        status: Status = "training"
        if is_last:
            status = "finished" if self.trainer.step >= self.trainer.n_steps else "interrupted"
        view = self._camera.look(self.n_steps, status, now=is_last)
        self.view = self.view if view is None else view
        if self._writer is not None:
            self._writer.write(view)

    def _draw(self, more: str = "") -> None:
        self.image.value = self._png()
        found = alarm_words(self.record)
        self.alarm.value = alarm_html(found, is_known=self.record.step >= 0)
        self.words.value = html.escape(" · ".join(filter(None, [reading_words(self.record), more])))

    def _png(self) -> bytes:
        title = headline(self.title, self.record, self.n_steps, self._state)
        is_alarmed = bool(self.record.alarms) or self.record.lost_at is not None
        return self._drawing.png(self.record, self.view, title, is_alarmed)

    # ------------------------------------------------------------------------------------- in the page
    @property
    def still(self) -> picture.Still:
        """The frame that is shown now, with its alternative text."""
        return picture.Still(self.image.value, alternative(self.title, self.record, self.view))

    def __repr__(self) -> str:
        # The same before the run and after it: what the run did is told by the alternative text.
        return f"LiveMonitor: loss, mixture and embeddings of the run “{self.title}”"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict, dict]:
        data = super()._repr_mimebundle_(**options)
        still, metadata = self.still._repr_mimebundle_()
        return {**data, "image/png": still["image/png"], "text/plain": repr(self)}, metadata

    def _ipython_display_(self) -> None:
        """Displayed under a name, so that `final` finds the place again."""
        data, metadata = self._repr_mimebundle_()
        self._handle = DisplayHandle()
        self._handle.display(data, metadata=metadata, raw=True)
        if self._follower is not None:
            self._follower.start()

    def _put_in_place(self, is_live: bool) -> None:
        """The widget while it moves; afterwards its last frame alone, which outlives the kernel."""
        if self._handle is None:
            return
        data, metadata = self._repr_mimebundle_()
        if not is_live:
            data.pop(_WIDGET, None)
        self._handle.update(data, metadata=metadata, raw=True)


def _check(source: Any, n_steps: Any, folder: Any, every: float) -> None:
    is_path = isinstance(source, str | os.PathLike)
    missing = [name for name in _OF_A_TRAINER if not hasattr(source, name)]
    if source is not None and not is_path and missing:
        raise ArgumentError(
            f"source is {type(source).__name__}, without {missing[0]}; wanted a trainer or a run's folder"
        )
    if is_path and os.path.isfile(source):
        raise ArgumentError(f"source is the file {source}; wanted the folder of a run")
    if is_path and folder is not None:
        raise ArgumentError("folder is given, and source is a folder itself; wanted one of them")
    if n_steps is not None and (not isinstance(n_steps, int) or n_steps < 1):
        raise ArgumentError(f"n_steps is {n_steps!r}; wanted a whole number ≥ 1")
    if not every >= 0:
        raise ArgumentError(f"every is {every!r}; wanted seconds ≥ 0")


def _when_the_cell_ends(work: Callable[[], None]) -> None:
    """In a notebook: once, when the cell that runs now has ended, whatever ended it."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return

    def once(*_: Any) -> None:
        shell.events.unregister("post_run_cell", once)
        work()

    shell.events.register("post_run_cell", once)
