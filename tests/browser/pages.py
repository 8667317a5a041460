"""A notebook open in a browser: run by the menu, moved by keyboard and mouse, and read as it stands in the page."""

import time
from typing import Any

from browser.looking import Look
from browser.moving import Keyboard, Mouse, Move, Moves
from browser.server import Lab
from browser.troubles import Troubles

__all__ = ["Move", "Moves", "NotebookPage"]

SECOND = 1000.0  # Playwright counts milliseconds
LONGEST_RUN = 900 * SECOND  # of a whole notebook; the longest trains a network, perhaps on a busy machine
HANDS = {"keyboard": Keyboard, "mouse": Mouse}

STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.model.toJSON().cells;
  const code = cells.filter(cell => cell.cell_type === 'code');
  const outputs = code.flatMap(cell => cell.outputs);
  const pictures = outputs.filter(one => one.data?.['image/png']);
  const text = output => output.text ?? output.data?.['text/plain'] ?? output.evalue ?? '';
  return {
    ran: code.filter(cell => cell.execution_count !== null).length,
    cells: code.length,
    errors: outputs.filter(one => one.output_type === 'error').map(one => `${one.ename}: ${one.evalue}`),
    complaints: outputs.filter(one => one.name === 'stderr').map(one => one.text),
    pictures: pictures.length,
    wordless: pictures.filter(one => !one.metadata?.['image/png']?.alt).length,
    last: [code.at(-1)?.outputs ?? []].flat().map(text).flat().join(''),
  };
}"""

LEAVE = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.shutdown();
  panel.dispose();
}"""
OPEN = "path => window.jupyterapp.commands.execute('docmanager:open', {path}).then(() => null)"
COUNT = """cell => window.jupyterapp.shell.currentWidget.content.widgets
  .find(one => one.node === cell).model.executionCount"""


class NotebookPage:
    """One notebook in JupyterLab."""

    def __init__(self, page: Any, lab: Lab, name: str):
        self.page, self.name, self.took = page, name, 0.0  # seconds of the last run of all cells
        self.troubles, self.look = Troubles(page), Look(page)
        page.goto(f"{lab.address}/lab/tree/notebooks/{name}?reset")
        self._wait_until_open()

    def _wait_until_open(self) -> None:
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=120 * SECOND)
        self.wait_for_kernel()

    def turn_to(self, name: str) -> None:
        """End this notebook's kernel, close it, and open another one in its place."""
        self.page.evaluate(LEAVE)
        self.page.evaluate(OPEN, f"notebooks/{name}")
        self.name = name
        self._wait_until_open()

    # ------------------------------------------------------------------------------------------ running cells
    def wait_for_kernel(self) -> None:
        """Until there is one, and it is idle: before that Run All is lost."""
        self.page.wait_for_function(
            """() => {
              const session = window.jupyterapp.shell.currentWidget?.sessionContext;
              const named = session && session.kernelDisplayName !== 'No Kernel';
              return named && session.isReady && session.session?.kernel?.status === 'idle';
            }""",
            timeout=120 * SECOND,
        )

    def run_all(self) -> None:
        """As a learner does it, from the menu; until the last cell has its number and its output."""
        begun = time.monotonic()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(
            f"""() => {{ const s = ({STATE})();
                return s.errors.length || (s.ran === s.cells && s.last !== ''); }}""",
            timeout=LONGEST_RUN,
            polling=500,
        )
        self.wait_for_kernel()
        self.took = time.monotonic() - begun
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
        return Keyboard(self.page).move(root, control, name, key)

    def move_all(self, root: Any, hand: str = "keyboard") -> Moves:
        """Each control of a widget, by keyboard or by mouse alone."""
        return HANDS[hand](self.page).move_all(root, self.controls(root), self._title(root))

    def _title(self, root: Any) -> str:
        """The number of its cell, to find it again."""
        prompt = root.evaluate(
            "one => one.closest('.jp-CodeCell').querySelector('.jp-InputPrompt').textContent"
        )
        return f"{self.name.removesuffix('.ipynb')} {prompt.rstrip(':')}"
