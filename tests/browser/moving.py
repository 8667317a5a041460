"""Widgets moved by keyboard and by mouse: what changed, and how long after the hand the picture had followed."""

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from statistics import median
from typing import Any, ClassVar

LONGEST_MOVE = 20.0  # seconds
PATIENCE = 1.0  # seconds in which nothing happened, and nothing more will

# In the page: when the hand moved, and when a picture or a sentence of this widget had changed after it.
WATCH = """root => {
  const watch = window.watch = {hand: null, picture: null, words: null};
  const stamp = name => { if (watch.hand !== null) watch[name] ??= performance.now(); };
  window.unwatch?.();
  const hand = event => {
    if (event.type !== 'pointermove' || event.buttons) watch.hand ??= performance.now();
  };
  const load = event => { if (event.target.tagName === 'IMG') stamp('picture'); };
  const spoken = node => (node.nodeType === 1 ? node : node.parentElement)?.closest('.widget-html, .widget-label');
  const words = new MutationObserver(changes => { if (changes.some(one => spoken(one.target))) stamp('words'); });
  const hands = HANDS;
  hands.forEach(name => window.addEventListener(name, hand, true));
  root.addEventListener('load', load, true);
  words.observe(root, {subtree: true, childList: true, characterData: true});
  window.unwatch = () => {
    hands.forEach(name => window.removeEventListener(name, hand, true));
    root.removeEventListener('load', load, true);
    words.disconnect();
  };
}"""
BYTES = """async root => {
  const pictures = [...root.querySelectorAll('img')];
  const read = async image => {
    const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
    return bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, bytes.length);
  };
  return (await Promise.all(pictures.map(read))).join(' ');
}"""
NAME = """one => [one.className.match(/noUi-handle/) ? 'slider' : one.tagName.toLowerCase(),
  one.closest('.widget-inline-hbox')?.querySelector('.widget-label')?.textContent,
  one.textContent.trim() || one.title].filter(Boolean).join(' ').slice(0, 40)"""


@dataclass
class Move:
    """What one movement of the hand did to a widget."""

    control: str
    picture: float | None  # milliseconds from the hand to the changed picture, if it changed
    words: float | None


@dataclass
class Moves:
    """All that was done to one widget."""

    name: str
    hand: str = "keyboard"
    moves: list[Move] = field(default_factory=list)
    pictures: int = 1  # different ones that were seen

    def effective(self) -> set[str]:
        """The controls that changed the picture or the words."""
        return {move.control for move in self.moves if move.picture or move.words}

    def controls(self) -> set[str]:
        """The controls that were moved."""
        return {move.control for move in self.moves}

    def dead(self) -> set[str]:
        """The controls that changed nothing, whatever was tried."""
        return self.controls() - self.effective()

    def times(self) -> list[float]:
        """Milliseconds of each move that changed the picture."""
        return [move.picture for move in self.moves if move.picture is not None]

    def summary(self) -> dict[str, Any]:
        """For the report."""
        seen = self.times()
        return {
            "widget": f"{self.name} {self.hand}",
            "controls": len(self.controls()),
            "moves": len(seen),
            "median_ms": round(median(seen)) if seen else None,
            "slowest_ms": round(max(seen)) if seen else None,
        }


class Hand(ABC):
    """Moves every control of a widget in one way."""

    name: ClassVar[str]
    events: ClassVar[list[str]]

    def __init__(self, page: Any):
        self.page = page

    @abstractmethod
    def ways(self, control: Any) -> list[str]:
        """What it does to a control, one after the other."""

    @abstractmethod
    def act(self, control: Any, way: str) -> None:
        """Do it once."""

    def move_all(self, root: Any, controls: Any, title: str) -> Moves:
        """Each control of a widget; sliders first, so that there is a way back for buttons."""
        made = Moves(title, self.name)
        found = [controls.nth(number) for number in range(controls.count())]
        found.sort(key=lambda one: not is_slider(one))
        named = {f"{one.evaluate(NAME)} #{number}": one for number, one in enumerate(found)}
        seen = {root.evaluate(BYTES)}
        for name, control in named.items():
            seen |= self._try(root, made, name, control)
        while self._revived(root, made, named, seen):
            pass
        made.pictures = len(seen)
        return made

    def _revived(self, root: Any, made: Moves, named: dict[str, Any], seen: set[str]) -> set[str]:
        """Which live once another was moved: "back" does nothing at the start, nor a choice that is made already."""
        dead = made.dead()
        for name in (name for name in named if name in dead):
            for other in (other for other in named if other in made.effective() - {name}):
                self._try(root, made, other, named[other])
                seen |= self._try(root, made, name, named[name])
                if name in made.effective():
                    break
        return dead - made.dead()

    def move(self, root: Any, control: Any, name: str, way: str) -> Move:
        """One movement; wait until the picture has changed, or nothing more can come."""
        before = root.evaluate(BYTES)
        self.ready(control)
        root.evaluate(WATCH.replace("HANDS", str(self.events)))
        self.act(control, way)
        watch = self._watched()
        if watch["picture"] is not None and root.evaluate(BYTES) == before:
            watch["picture"] = None  # it was loaded again, and is the same
        after = {what: watch[what] and watch[what] - watch["hand"] for what in ("picture", "words")}
        return Move(name, after["picture"], after["words"])

    def ready(self, control: Any) -> None:
        """Where the hand goes first: the clock is not running yet."""
        control.scroll_into_view_if_needed()

    def _watched(self) -> dict[str, Any]:
        deadline, patience = time.monotonic() + LONGEST_MOVE, time.monotonic() + PATIENCE
        while True:
            watch = self.page.evaluate("window.watch")
            late = time.monotonic() > deadline or (time.monotonic() > patience and self._is_quiet())
            if watch["picture"] is not None or late:
                return watch
            self.page.wait_for_timeout(20)

    def _is_quiet(self) -> bool:
        status = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        return self.page.evaluate(status) == "idle"

    def _try(self, root: Any, made: Moves, name: str, control: Any) -> set[str]:
        seen = set()
        for way in self.ways(control):
            if control.is_visible() and control.is_enabled():
                made.moves.append(self.move(root, control, name, way))
                seen.add(root.evaluate(BYTES))
        return seen


class Keyboard(Hand):
    """Arrow keys on sliders, the space bar on the rest."""

    name = "keyboard"
    events: ClassVar = ["keydown"]

    def ways(self, control: Any) -> list[str]:
        """Keys."""
        if is_slider(control):
            return ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowRight"]
        return ["ArrowDown", "ArrowUp"] if _tag(control) == "SELECT" else ["Space"]

    def ready(self, control: Any) -> None:
        """As the Tab key does."""
        control.focus()

    def act(self, control: Any, way: str) -> None:
        """Press a key."""
        self.page.keyboard.press(way)


class Mouse(Hand):
    """Drags the handle of a slider, clicks on its track, and clicks on the rest."""

    name = "mouse"
    events: ClassVar = ["pointerdown", "pointermove"]

    def ways(self, control: Any) -> list[str]:
        """Gestures."""
        return ["drag", "track"] if is_slider(control) else ["click"]

    def act(self, control: Any, way: str) -> None:
        """Make a gesture; towards the side where a slider has more room."""
        if way == "click":
            control.click()
            return
        track = control.locator("xpath=ancestor::*[contains(@class, 'noUi-target')]").first.bounding_box()
        handle = control.bounding_box()
        x, y = handle["x"] + handle["width"] / 2, handle["y"] + handle["height"] / 2
        right = x < track["x"] + track["width"] / 2
        goal = track["x"] + track["width"] * (0.8 if right else 0.2)
        if way == "drag":
            self.page.mouse.move(x, y)
            self.page.mouse.down()
            self.page.mouse.move(goal, y, steps=4)
            self.page.mouse.up()
        else:
            self.page.mouse.click(goal, track["y"] + track["height"] / 2)


def is_slider(control: Any) -> bool:
    """Whether it is the handle of a slider."""
    return "noUi-handle" in (control.get_attribute("class") or "")


def _tag(control: Any) -> str:
    return control.evaluate("one => one.tagName")
