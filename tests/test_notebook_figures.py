"""Every stored figure of every notebook: words that say what is seen, and a picture that can be read."""

import base64
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mixturelab import plot

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *(FOLDER / "solutions").glob("*.ipynb")])
each_notebook = pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: path.relative_to(FOLDER).as_posix()
)

SHORTEST_WORDS = 40  # characters
LEAST_COLOURS = 8
SMALLEST, LARGEST = (400, 150), (1700, 2000)  # pixels: readable at half size, and no wider than a page
LEAST_INK, MOST_INK = 0.01, 0.90  # share of pixels that are not the background
LETTER = 6  # pixels: the height of small letters, at the picture's own size


# ----------------------------------------------------------------------------------- what is wrong with a figure
def figures(notebook):
    """The pictures that a notebook stores, each with its alternative text."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        for output in cell.outputs:
            data = output.get("data", {})
            for kind in ("image/jpeg", "image/svg+xml", "image/png"):
                if kind in data:
                    yield kind, data[kind], output.get("metadata", {}).get(kind, {}).get("alt", "")
                    break


def faults_of_words(words, all_words):
    """What keeps these words from saying what is seen."""
    if len(words) < SHORTEST_WORDS:
        yield f"says too little: {words!r}"
    if len(words.split()) < 7 or not re.search("[a-z]{3}", words):
        yield f"is no sentence: {words!r}"
    if re.match(r"(an? |the )?(image|picture|figure|plot|graph|chart|photo)\b", words, re.IGNORECASE):
        yield f"begins by saying that it is a picture, which is known: {words[:40]!r}"
    if re.search(r"<Figure|Axes|\.png|0x[0-9a-f]{4}|\bnan\b|\bNone\b", words):
        yield f"says what a machine says: {words!r}"
    if all_words.count(words) > 1:
        yield f"says the same as another: {words[:40]!r}"


def faults_of_picture(encoded):
    """What keeps this picture from being seen."""
    image = Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")
    numbers = np.asarray(image).astype(np.int32) @ [65536, 256, 1]
    colours, counts = np.unique(numbers, return_counts=True)
    ink = 1 - counts.max() / numbers.size
    if len(colours) < LEAST_COLOURS:
        yield f"has only {len(colours)} colours"
    if not LEAST_INK <= ink <= MOST_INK:
        yield f"is {ink:.1%} ink"
    if (height := letter_height(image)) < LETTER:
        yield f"has letters of {height:.0f} pixels"
    if image.width < SMALLEST[0] or image.height < SMALLEST[1]:
        yield f"is only {image.width} × {image.height} pixels"
    if image.width > LARGEST[0] or image.height > LARGEST[1]:
        yield f"is {image.width} × {image.height} pixels"


def letter_height(image):
    """The height of letters and digits, as four in five of them are at most: what is small, dark and grey."""
    pixels = np.asarray(image).astype(np.int16)
    dark = (pixels.max(axis=2) < 140) & (np.ptp(pixels, axis=2) < 24)
    labels, number = ndimage.label(dark, np.ones((3, 3)))
    boxes = ndimage.find_objects(labels)
    filled = np.bincount(labels.ravel(), minlength=number + 1)[1:]
    heights = [
        box[0].stop - box[0].start for box, size in zip(boxes, filled, strict=True) if _is_letter(box, size)
    ]
    return float(np.quantile(heights, 0.8)) if len(heights) >= 5 else 0.0


def _is_letter(box, size):
    height, width = (part.stop - part.start for part in box)
    is_dot = abs(height - width) <= 1 and size > 0.65 * height * width
    return 3 <= height <= 30 and 2 <= width <= 30 and not is_dot


def faults(notebook):
    """Everything that is wrong with a notebook's figures."""
    found = list(figures(notebook))
    all_words = [words for _, _, words in found]
    for number, (kind, data, words) in enumerate(found, start=1):
        for fault in faults_of_words(words, all_words):
            yield f"the alternative text of figure {number} {fault}"
        if kind == "image/png":
            yield from (f"figure {number} {fault}" for fault in faults_of_picture(data))
        else:
            yield f"figure {number} is {kind}, not a PNG"


# ------------------------------------------------------------------------------------------ the notebooks
@each_notebook
def test_every_figure_says_what_is_seen_and_can_be_seen(path):
    assert list(faults(nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_teacher_s_notebook_has_the_learner_s_figures(path):
    both = [nbformat.read(one, as_version=4) for one in (path, FOLDER / "solutions" / path.name)]
    learner, teacher = ([words for _, _, words in figures(notebook)] for notebook in both)
    assert set(learner) <= set(teacher)


# ------------------------------------------------------------------------------------ these tests can fail
WORDS = "Eruptions after short waits are short, those after long waits are long; few lie between."


def good_picture(size=12.0):
    picture, ax = plot.subplots()
    ax.plot([1, 2, 3], [2, 1, 3])
    ax.set_xlabel("duration of the eruption (minutes)", fontsize=size)
    ax.set_ylabel("waiting time (minutes)", fontsize=size)
    ax.tick_params(labelsize=size)
    plot.describe(picture, WORDS)
    return picture


def blank_picture():
    return plot.describe(plot.new(8, 5), WORDS)


def notebook_of(*pictures, kind="image/png", **changes):
    """A notebook made here, with these pictures in its outputs as a kernel stores them."""
    outputs = []
    for picture in pictures:
        data, metadata = picture._repr_mimebundle_()
        metadata[kind] = {"alt": metadata["image/png"]["alt"], **changes}
        data[kind] = data["image/png"]
        outputs.append(nbformat.v4.new_output("display_data", data=data, metadata=metadata))
    cell = nbformat.v4.new_code_cell("draw()", outputs=outputs, execution_count=1)
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A lesson"), cell])


def test_a_good_figure_has_no_faults():
    assert list(faults(notebook_of(good_picture()))) == []


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "says too little"),
        ("Eruptions and waits.", "says too little"),
        ("01_figure_of_the_old_faithful_geyser_final", "is no sentence"),
        (
            "An image of the waiting times before short and long eruptions",
            "begins by saying that it is a picture",
        ),
        ("Waiting times, which lie between nan and nan, before the eruptions", "says what a machine says"),
    ],
)
def test_a_figure_without_good_words_is_found(words, fault):
    assert fault in " ".join(faults(notebook_of(good_picture(), alt=words)))


def test_a_figure_without_metadata_is_found():
    notebook = notebook_of(good_picture())
    notebook.cells[1].outputs[0].metadata = {}
    assert "the alternative text of figure 1 says too little: ''" in list(faults(notebook))


def test_words_that_are_used_twice_are_found():
    assert "says the same as another" in " ".join(faults(notebook_of(good_picture(), good_picture())))


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (blank_picture, "has only 1 colours"),
        (blank_picture, "is 0.0% ink"),
        (blank_picture, "has letters of 0 pixels"),
        (lambda: good_picture(size=4.0), "has letters of "),
        (lambda: shrunk(good_picture()), "is only 220 × 137 pixels"),
    ],
)
def test_a_figure_that_cannot_be_read_is_found(picture, fault):
    assert fault in " ".join(faults(notebook_of(picture())))


def shrunk(picture):
    image = Image.open(io.BytesIO(plot.picture.png(picture))).resize((220, 137))
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return plot.picture.Still(buffer.getvalue(), WORDS)


def test_a_figure_that_is_no_png_is_found():
    assert "figure 1 is image/jpeg" in " ".join(faults(notebook_of(good_picture(), kind="image/jpeg")))
