"""A Stop button that reaches a busy kernel: the page asks the server to interrupt it, as the notebook's own ■ does."""

import html
import re

import ipywidgets

__all__ = ["StopButton", "kernel_id"]

# A click on an ipywidgets Button waits, on most kernels, until the cell has ended. The server's own interface does not:
# it sends the kernel the signal that a loop under `interrupts_as_wishes` takes for a wish to end between two steps.
_CLICK = """(async button => {
  const said = button.nextElementSibling;
  button.disabled = true;
  try {
    const place = document.getElementById('jupyter-config-data');
    const config = place ? JSON.parse(place.textContent) : {};
    const base = config.baseUrl || document.body.dataset.baseUrl || '/';
    const cookie = document.cookie.match(/(?:^|; *)_xsrf=([^;]*)/);
    const headers = {};
    if (config.token) headers['Authorization'] = 'token ' + config.token;
    if (cookie) headers['X-XSRFToken'] = cookie[1];
    const answer = await fetch(base + 'api/kernels/KERNEL/interrupt',
      {method: 'POST', headers: headers, credentials: 'same-origin'});
    if (!answer.ok) throw new Error(answer.status);
    said.textContent = 'Stopping after this step.';
  } catch (error) {
    button.disabled = false;
    said.textContent = 'The server was not reached. The notebook\\u2019s own \\u25A0 stops as cleanly.';
  }
})(this)"""


def kernel_id() -> str | None:
    """The name by which the notebook's server knows this kernel; None where no server started it."""
    try:
        from ipykernel.connect import get_connection_file

        found = re.search(r"kernel-([\w-]{8,})\.json$", str(get_connection_file()))
    except (ImportError, RuntimeError):
        return None
    return found.group(1) if found else None


class StopButton(ipywidgets.HTML):
    """A button that ends the loop of its monitor between two steps; it can be pressed while the loop runs only.

    Parameters
    ----------
    kernel : str or None
        As `kernel_id` gives it.
    """

    def __init__(self, kernel: str | None):
        self._kernel = kernel
        super().__init__(layout={"margin": "2px 0 4px 0"})
        self.rest("")

    def rest(self, words: str) -> None:
        """Nothing to stop; say why."""
        self.value = self._html(is_on=False, words=words)

    def arm(self) -> None:
        """From now on there is something to stop."""
        words = "" if self._kernel else "Press the notebook’s ■ to stop between two steps."
        self.value = self._html(is_on=self._kernel is not None, words=words)

    def _html(self, is_on: bool, words: str) -> str:
        click = html.escape(_CLICK.replace("KERNEL", self._kernel or ""), quote=True)
        action = f'onclick="{click}"' if is_on else "disabled"
        return (
            f'<button type="button" class="lm-Widget jupyter-widgets jupyter-button widget-button mod-warning" '
            f'style="width:auto" title="End the run after the step it is in" {action}>■ Stop</button> '
            f'<span role="status" aria-live="polite">{html.escape(words)}</span>'
        )
