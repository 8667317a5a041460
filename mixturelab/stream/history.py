"""What is written step by step and taken back from a step on: the part that tables and scores have in common."""

from abc import ABC, abstractmethod


class History(ABC):
    """Entries in files, in the order of their steps.

    Attributes
    ----------
    last : int or None
        The largest step that is stored, known without reading the files again.
    """

    last: int | None = None
    _owed: int | None = None

    def make_room(self, step: int) -> None:
        """Remove every entry of this step and later ones: they are of a run that is now continued from before.

        A removal that failed is made up for at the next call, even if that is for a later step.

        Raises
        ------
        OSError
        """
        self._owed = step if self._owed is None else min(step, self._owed)
        if self.last is not None and self.last >= self._owed:
            self.last = self._remove_from(self._owed)
        self._owed = None

    def is_before(self, step: int) -> bool:
        """Whether there is nothing to remove for a step."""
        return self._owed is None and (self.last is None or self.last < step)

    @abstractmethod
    def mend(self) -> None:
        """Repair what a killed or failing process left, set aside what is damaged, and find the last step."""

    @abstractmethod
    def _remove_from(self, step: int) -> int | None:
        """Remove the entries from a step on; the last one that is left."""
