"""A notebook open in a browser: run by the menu, moved by the keyboard, and read as it stands in the page."""

import time
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from browser.server import Lab

SECOND = 1000.0  # Playwright counts milliseconds
LONGEST_RUN = 900 * SECOND  # of a whole notebook; the longest trains a network, perhaps on a busy machine
LONGEST_MOVE = 20 * SECOND

# In the page: when a key went down, and when a picture or a sentence of this widget had changed after it.
WATCH = """root => {
  const watch = window.watch = {key: null, picture: null, words: null};
  const stamp = name => { if (watch.key !== null) watch[name] ??= performance.now(); };
  window.unwatch?.();
  const key = () => { watch.key ??= performance.now(); };
  const load = event => { if (event.target.tagName === 'IMG') stamp('picture'); };
  const spoken = node => (node.nodeType === 1 ? node : node.parentElement)?.closest('.widget-html, .widget-label');
  const words = new MutationObserver(changes => { if (changes.some(one => spoken(one.target))) stamp('words'); });
  window.addEventListener('keydown', key, true);
  root.addEventListener('load', load, true);
  words.observe(root, {subtree: true, childList: true, characterData: true});
  window.unwatch = () => {
    window.removeEventListener('keydown', key, true);
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
STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.model.toJSON().cells;
  const code = cells.filter(cell => cell.cell_type === 'code');
  const outputs = code.flatMap(cell => cell.outputs);
  const text = output => output.text ?? output.data?.['text/plain'] ?? output.evalue ?? '';
  return {
    ran: code.filter(cell => cell.execution_count !== null).length,
    cells: code.length,
    errors: outputs.filter(one => one.output_type === 'error').map(one => `${one.ename}: ${one.evalue}`),
    complaints: outputs.filter(one => one.name === 'stderr').map(one => one.text),
    last: [code.at(-1)?.outputs ?? []].flat().map(text).flat().join(''),
  };
}"""

COUNT = """cell => window.jupyterapp.shell.currentWidget.content.widgets
  .find(one => one.node === cell).model.executionCount"""


@dataclass
class Move:
    """What one key did to a widget."""

    control: str
    picture: float | None  # milliseconds from the key to the changed picture, if it changed
    words: float | None


@dataclass
class Moves:
    """All that was done to one widget."""

    name: str
    moves: list[Move] = field(default_factory=list)
    pictures: int = 1  # different ones that were seen

    def effective(self) -> set[str]:
        """The controls that changed the picture or the words."""
        return {move.control for move in self.moves if move.picture or move.words}

    def dead(self) -> set[str]:
        """The controls that changed nothing, whatever was tried."""
        return {move.control for move in self.moves} - self.effective()

    def summary(self) -> dict[str, Any]:
        """For the report."""
        seen = [move.picture for move in self.moves if move.picture is not None]
        slowest = max(seen, default=None)
        return {
            "widget": self.name,
            "moves": len(seen),
            "median_ms": round(median(seen)) if seen else None,
            "slowest_ms": round(slowest) if slowest is not None else None,
        }


class NotebookPage:
    """One notebook in JupyterLab."""

    def __init__(self, page: Any, lab: Lab, name: str):
        self.page, self.name = page, name
        page.goto(f"{lab.address}/lab/tree/notebooks/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120 * SECOND)
        self.wait_for_kernel()

    # ------------------------------------------------------------------------------------------ running cells
    def wait_for_kernel(self) -> None:
        """Until there is one, and it is idle: before that Run All is lost."""
        self.page.wait_for_function(
            """() => {
              const name = document.querySelector('.jp-NotebookPanel .jp-Toolbar-kernelName');
              const kernel = window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel;
              return name && !/No Kernel/.test(name.textContent) && kernel?.status === 'idle';
            }""",
            timeout=120 * SECOND,
        )

    def run_all(self) -> None:
        """As a learner does it, from the menu; until the last cell has its number and its output."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(
            f"""() => {{ const s = ({STATE})();
                return s.errors.length || (s.ran === s.cells && s.last !== ''); }}""",
            timeout=LONGEST_RUN,
            polling=500,
        )
        self.wait_for_kernel()
        self.page.wait_for_timeout(1 * SECOND)  # widgets' views follow their model

    def state(self) -> dict[str, Any]:
        """How many code cells there are, how many ran, and what they complained of."""
        return self.page.evaluate(STATE)

    def code_cell(self, text: str) -> Any:
        """The code cell whose source contains a text; it stays this cell when its source is changed."""
        found = self.page.locator(".jp-CodeCell", has=self.page.locator(".cm-content", has_text=text)).first
        mark = "".join(character for character in text if character.isalnum())
        found.evaluate("(cell, mark) => { cell.dataset.mark = mark; }", mark)
        return self.page.locator(f'[data-mark="{mark}"]')

    def run_cell(self, cell: Any, source: str | None = None) -> Any:
        """Type a source into a cell if one is given, run it with Shift-Enter, and give its output."""
        cell.locator(".cm-content").click()
        if source is not None:
            self.page.keyboard.press("ControlOrMeta+a")
            self.page.keyboard.insert_text(source)
        before = cell.evaluate(COUNT)
        self.page.keyboard.press("Shift+Enter")
        deadline = time.monotonic() + 60
        while (now := cell.evaluate(COUNT)) in (before, None):
            assert time.monotonic() < deadline, f"the cell did not run: {now}"
            self.page.wait_for_timeout(50)
        return cell.locator(".jp-OutputArea-output")

    def details(self, summary: str = "") -> Any:
        """What is behind a click in the text: hints, solutions, answers."""
        closed = self.page.locator(".jp-RenderedMarkdown details")
        return closed.filter(has=self.page.locator("summary", has_text=summary)) if summary else closed

    def open_by_keyboard(self, details: Any) -> None:
        """Enter on the summary opens it, and what it hid is seen."""
        assert details.get_attribute("open") is None
        before = details.bounding_box()["height"]
        details.locator("summary").first.focus()
        self.page.keyboard.press("Enter")
        assert details.get_attribute("open") is not None
        assert details.bounding_box()["height"] > before + 10

    # --------------------------------------------------------------------------------------- moving widgets
    def widgets(self) -> list[Any]:
        """Every widget that a cell shows, if it has a picture and something to move it with."""
        roots = self.page.locator(
            ".jp-OutputArea-output > .jupyter-widgets, .jp-OutputArea-output > * > .jupyter-widgets"
        )
        found = [roots.nth(number) for number in range(roots.count())]
        return [root for root in found if root.locator("img").count() and self.controls(root).count()]

    def sliders(self) -> int:
        """How many sliders the whole page has."""
        return self.page.locator(".jp-OutputArea .noUi-handle").count()

    @staticmethod
    def controls(root: Any) -> Any:
        """What takes the keyboard's focus."""
        return root.locator(".noUi-handle, button, input[type=checkbox], input[type=radio], select")

    def move(self, root: Any, control: Any, name: str, key: str) -> Move:
        """Press one key on a control; wait until the picture has changed, or nothing more can come."""
        control.focus()
        root.evaluate(WATCH)
        self.page.keyboard.press(key)
        deadline = time.monotonic() + LONGEST_MOVE / SECOND
        patience = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            watch = self.page.evaluate("window.watch")
            if watch["picture"] is not None or self._is_quiet(patience):
                break
            self.page.wait_for_timeout(20)
        after = {what: watch[what] and watch[what] - watch["key"] for what in ("picture", "words")}
        return Move(name, after["picture"], after["words"])

    def _is_quiet(self, since: float) -> bool:
        status = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
        return time.monotonic() > since and self.page.evaluate(status) == "idle"

    @staticmethod
    def _name(control: Any) -> str:
        return control.evaluate(
            """one => [one.className.match(/noUi-handle/) ? 'slider' : one.tagName.toLowerCase(),
                 one.closest('.widget-inline-hbox')?.querySelector('.widget-label')?.textContent,
                 one.textContent.trim() || one.title].filter(Boolean).join(' ').slice(0, 40)"""
        )

    def move_all(self, root: Any) -> Moves:
        """Each control of a widget, by keyboard alone; sliders first, so that there is a way back for buttons."""
        made = Moves(self._title(root))
        found = [self.controls(root).nth(number) for number in range(self.controls(root).count())]
        found.sort(key=lambda one: not self._is_slider(one))
        controls = {f"{self._name(control)} #{number}": control for number, control in enumerate(found)}
        seen = {root.evaluate(BYTES)}
        for name, control in controls.items():
            seen |= self._press(root, made, name, control)
        for name in made.dead():  # "back" does nothing at the start, nor does a choice that is made already
            for other in made.effective():
                self._press(root, made, other, controls[other])
                seen |= self._press(root, made, name, controls[name])
                if name in made.effective():
                    break
        made.pictures = len(seen)
        return made

    def _press(self, root: Any, made: Moves, name: str, control: Any) -> set[str]:
        seen = set()
        for key in self._keys(control):
            if control.is_visible() and control.is_enabled():
                made.moves.append(self.move(root, control, name, key))
                seen.add(root.evaluate(BYTES))
        return seen

    @staticmethod
    def _is_slider(control: Any) -> bool:
        return "noUi-handle" in (control.get_attribute("class") or "")

    def _keys(self, control: Any) -> list[str]:
        if self._is_slider(control):
            return ["ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft", "ArrowRight"]
        tag = control.evaluate("one => one.tagName")
        return ["ArrowDown", "ArrowUp"] if tag == "SELECT" else ["Space"]

    def _title(self, root: Any) -> str:
        """The number of its cell, to find it again."""
        prompt = root.evaluate(
            "one => one.closest('.jp-CodeCell').querySelector('.jp-InputPrompt').textContent"
        )
        return f"{self.name.removesuffix('.ipynb')} {prompt.rstrip(':')}"
