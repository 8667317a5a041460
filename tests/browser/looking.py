"""How a notebook looks: its theme and width, what is wider than its place, what cannot be read, and pictures of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEIGHT = 1000  # of the window, in pixels
PIECE = 2000  # of a picture that is kept
ROOMY = 1000  # width of a window that shows the list of files beside the notebook
READABLE = 4.5  # contrast of text to what lies behind it (WCAG 2.2, success criterion 1.4.3)

# In the page: everything of ours that is wider inside than outside, so that it is cut off or has to be scrolled.
# A box that lets its inside stand out is no trouble as long as the box around it has room. Formulas on a line of their
# own and tables of data are asked for apart: nobody can make a long one narrow, but it has to be possible to scroll it.
WIDER = """() => {
  const roots = [...document.querySelectorAll('.jp-OutputArea-output, .jp-MarkdownOutput')];
  const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
  const found = [];
  const unbreakable = [...document.querySelectorAll('mjx-container[display="true"], table.dataframe')];
  const inside = one => one.closest('.jp-MarkdownOutput, .jp-OutputArea-output');
  const width = one => one.matches('table') ? one.getBoundingClientRect().width : one.scrollWidth;
  const room = one => one.matches('table') ? inside(one).clientWidth : one.clientWidth;
  const long = unbreakable.filter(one => inside(one) && width(one) > room(one) + 1);
  const scrolls = one => ['auto', 'scroll'].includes(getComputedStyle(inside(one)).overflowX);
  const told = long.map(one => ({what: one.matches('table') ? 'table' : 'formula',
    cell: cells.indexOf(one.closest('.jp-Cell')), inside: Math.round(width(one)),
    outside: room(one), scrolls: scrolls(one)}));
  unbreakable.forEach(one => { one.style.display = 'none'; });
  for (const one of roots.flatMap(root => [root, ...root.querySelectorAll('*')])) {
    if (one.clientWidth === 0 || one.scrollWidth <= one.clientWidth + 1) continue;
    const style = getComputedStyle(one);
    const open = style.overflowX === 'visible' && !roots.includes(one);
    const meant = style.textOverflow === 'ellipsis' || one.closest('svg, mjx-container, .noUi-target');
    if (open || meant || style.visibility === 'hidden') continue;
    found.push({cell: cells.indexOf(one.closest('.jp-Cell')),
      what: `${one.tagName.toLowerCase()}.${[...one.classList].join('.')}`,
      inside: one.scrollWidth, outside: one.clientWidth, text: one.innerText?.trim().slice(0, 60) ?? ''});
  }
  unbreakable.forEach(one => { one.style.display = ''; });
  return [found, told];
}"""

# The contrast of text with what lies behind it, by the formula of WCAG 2; of SVG text its fill, on the plane's paper.
CONTRAST = """
(element) => {
  const numbers = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = element, colour = [0, 0, 0, 0];
  while (behind && !(colour.length === 3 || colour[3] > 0)) {
    colour = numbers(getComputedStyle(behind).backgroundColor); behind = behind.parentElement;
  }
  const look = getComputedStyle(element);
  const ink = element instanceof SVGElement ? look.fill : look.color;
  const pair = [light(numbers(ink)), light(colour)].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05);
}
"""

# In the page: the contrast of each text to what lies behind it. A canvas makes numbers of every way to say a colour.
CONTRASTS = """scope => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const rgba = colour => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      known.set(colour, [...pen.getImageData(0, 0, 1, 1).data].map(one => one / 255));
    }
    return known.get(colour);
  };
  const over = (top, below, alpha) => below.map((one, index) => alpha * top[index] + (1 - alpha) * one);
  const line = one => {
    const up = [];
    for (let at = one; at; at = at.parentElement) up.push(at);
    return up;
  };
  const behind = one => line(one).reverse().reduce((colour, at) => {
    const own = rgba(getComputedStyle(at).backgroundColor);
    return over(own, colour, own[3]);
  }, [1, 1, 1]);
  const linear = one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4;
  const light = colour => colour.slice(0, 3).map(linear)
    .reduce((sum, one, index) => sum + one * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  };
  const found = [];
  for (const root of document.querySelectorAll(scope)) {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode, one = node.parentElement, style = getComputedStyle(one);
      const box = one.getBoundingClientRect();
      const seen = box.width > 1 && box.height > 1 && style.visibility !== 'hidden';
      if (!node.data.trim() || !seen || one.closest('script, style, svg, mjx-container, :disabled')) continue;
      const back = behind(one), own = rgba(style.color);
      const alpha = own[3] * line(one).reduce((product, at) => product * getComputedStyle(at).opacity, 1);
      const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
      found.push({contrast: contrast(over(own, back, alpha), back), text: node.data.trim().slice(0, 40),
        colour: style.color, what: `${one.tagName.toLowerCase()}.${one.className}`,
        cell: cells.indexOf(one.closest('.jp-Cell'))});
    }
  }
  return found;
}"""
# What this project writes into the page: results of cells and widgets. The rest is JupyterLab's.
OURS = ".jp-OutputArea-output.jp-RenderedHTML, .jp-OutputArea-output .jupyter-widgets"
SCROLLER = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"


@dataclass(frozen=True)
class Text:
    """One piece of text, and how well it stands out."""

    cell: int
    text: str
    contrast: float
    what: str

    @property
    def readable(self) -> bool:
        """Whether its contrast is enough."""
        return self.contrast >= READABLE


class Look:
    """The page's theme and width, and what they do to a notebook."""

    def __init__(self, page: Any):
        self.page = page

    def set(self, width: int, theme: str) -> None:
        """A width of the window in pixels; "light" or "dark". A narrow one has no room for the list of files."""
        self.page.set_viewport_size({"width": width, "height": HEIGHT})
        self.page.evaluate(f"window.jupyterapp.shell.{'expandLeft' if width >= ROOMY else 'collapseLeft'}()")
        if self.theme() != theme:
            self._change(f"JupyterLab {theme.capitalize()}", theme)
        self.page.wait_for_timeout(200)  # outputs learn of their width after the window

    def theme(self) -> str:
        """The present one."""
        light = self.page.evaluate("document.body.dataset.jpThemeLight")
        return "dark" if light == "false" else "light"

    def _change(self, name: str, theme: str) -> None:
        self.page.evaluate(
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
        )
        self.page.wait_for_function(
            f"() => document.body.dataset.jpThemeLight === '{'false' if theme == 'dark' else 'true'}'"
        )
        self.page.wait_for_timeout(300)  # the style sheet arrives after the name

    def wider(self) -> list[dict[str, Any]]:
        """What is wider than its place: cell, element, widths and the beginning of its text."""
        return self.page.evaluate(WIDER)[0]

    def scrolled(self) -> list[dict[str, Any]]:
        """The formulas and tables of data that are, and whether they can be scrolled."""
        return self.page.evaluate(WIDER)[1]

    def texts(self, scope: str = OURS) -> list[Text]:
        """Each piece of text, with its contrast."""
        found = self.page.evaluate(CONTRASTS, scope)
        return [Text(one["cell"], one["text"], one["contrast"], one["what"]) for one in found]

    def keep(self, folder: Path, name: str) -> list[Path]:
        """The whole notebook as pictures, piece by piece from the top."""
        for old in folder.glob(f"{name}-*.png"):
            old.unlink()
        size = self.page.viewport_size
        scroller = self.page.locator(SCROLLER).first
        height = scroller.evaluate("one => one.scrollHeight")
        self.page.set_viewport_size({"width": size["width"], "height": min(height + 200, PIECE + 200)})
        kept = []
        try:
            for number, top in enumerate(range(0, height, PIECE)):
                scroller.evaluate("(one, top) => one.scrollTo(0, top)", top)
                self.page.wait_for_timeout(100)
                kept.append(folder / f"{name}-{number + 1}.png")
                self.page.screenshot(path=kept[-1], clip=scroller.bounding_box(), animations="disabled")
        finally:
            self.page.set_viewport_size(size)
        return kept
