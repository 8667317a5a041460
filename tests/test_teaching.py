"""The teacher's guide: every notebook with its minutes and paths, every misconception, links that lead somewhere."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from mixturelab.exercises import all_exercises
from mixturelab.exercises.inventory_questions import LETTERS, QUESTIONS

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "notebooks"
GUIDE = FOLDER / "TEACHING.md"
TEXT = GUIDE.read_text(encoding="utf-8")
SOURCES = sorted((FOLDER / "source").glob("*.py"))
NUMBERED = [path for path in SOURCES if path.stem[0].isdigit()]
ROW = re.compile(r"^(?:# )?\| (\d+ [^|]+?) \| (\d+) \|(.*)$", re.MULTILINE)

each = pytest.mark.parametrize("source", NUMBERED, ids=lambda path: path.stem)


def chapter(title, level=3):
    """The text under a heading, up to the next of its level or above."""
    marks = "#" * level
    found = re.search(
        rf"^{marks} {re.escape(title)}$(.*?)(?=^#{{1,{level}}} |\Z)", TEXT, re.MULTILINE | re.DOTALL
    )
    assert found, f"TEACHING.md has no chapter {title}"
    return found[1]


def plan(text):
    """Section, minutes, and what stands under the three paths, if there are three."""
    rows = [
        (name, int(minutes), [cell.strip() for cell in cells.split("|")[:-1]])
        for name, minutes, cells in ROW.findall(text)
    ]
    return [(name, minutes, cells if len(cells) == 3 else []) for name, minutes, cells in rows]


def table(text, head):
    """The body of the table that begins with this head."""
    lines = text[text.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@each
def test_minutes_and_paths_are_the_notebook_s(source):
    wanted = plan(source.read_text(encoding="utf-8"))
    assert len(wanted) >= 8
    assert plan(chapter(source.stem)) == wanted


@each
def test_sums_are_right(source):
    rows = plan(chapter(source.stem))
    *_, last = re.findall(r"^\| together \|(.*)\|$", chapter(source.stem), re.MULTILINE)
    numbers = [int(number) for number in re.findall(r"\d+", last)]
    if len(numbers) == 1:  # the capstone has one path
        assert numbers == [sum(minutes for _, minutes, _ in rows)]
        return
    assert numbers == [
        sum(minutes for _, minutes, paths in rows if paths[column].startswith("●")) for column in range(3)
    ]
    assert numbers[0] <= 18
    assert numbers[1] == 50


@each
def test_there_are_questions_to_discuss_with_answers(source):
    items = re.split(r"^- ", chapter(source.stem).partition("**To discuss**")[2], flags=re.MULTILINE)[1:]
    assert len(items) >= 4
    for item in items:
        question, answer = re.fullmatch(r"\*(.+?[?]|.+?)\*\s+(.+)", item.strip(), re.DOTALL).groups()
        assert "?" in question
        assert len(answer.split()) >= 8, question


@each
def test_each_lesson_says_what_to_skip_and_what_to_run(source):
    text = chapter(source.stem)
    if source.stem.startswith("10"):
        return
    for words in ("**Skip first:**", "**Run all the same:**", "**Where time goes:**"):
        assert words in text.replace("\n", " "), words
    sections = {name.split()[0] for name, *_ in plan(text)}
    named = re.findall(r"[Ss]ections? (\d+)", text.partition("**To discuss**")[0])
    assert set(named) <= sections


def names_of(code):
    return set(re.findall(r"\b[A-Za-z_]\w*\b", code))


@each
def test_names_of_variables_and_exercises_are_those_of_the_notebook(source):
    text, code = chapter(source.stem).partition("**To discuss**")[0], source.read_text(encoding="utf-8")
    for name in re.findall(r"`([A-Za-z_]\w*)`", text):
        assert name in names_of(code), name
    for exercise in re.findall(r"\b(\d\d\.\d)\b", text):
        assert exercise in all_exercises(), exercise


def test_every_misconception_has_a_question_for_class():
    rows = table(chapter("Misconceptions", 2), "| | Belief |")
    wanted = [
        (f"{question.number}{letter}", question.choice(letter).misconception)
        for question in QUESTIONS
        for letter in LETTERS
        if question.choice(letter).misconception
    ]
    assert len(wanted) == 30
    assert [(row[0], row[1]) for row in rows] == wanted
    assert all("?" in row[2] and len(row[3].split()) >= 3 for row in rows)
    assert len({row[2] for row in rows}) == 30


def test_the_questions_of_the_inventory_themselves_stay_closed():
    """What is asked in class is not what is asked again after the course."""
    told = " ".join(TEXT.split())
    for question in QUESTIONS:
        words = question.text.split()
        runs = (" ".join(words[start : start + 8]) for start in range(len(words) - 7))
        assert not [run for run in runs if run in told]


def test_references_in_the_answers_exist():
    for row in table(chapter("Misconceptions", 2), "| | Belief |"):
        for exercise in re.findall(r"\b(\d\d\.\d)\b", row[3]):
            assert exercise in all_exercises()
        for notebook, section in re.findall(r"\b(\d\d), section (\d+)", row[3]):
            source = next(path for path in NUMBERED if path.stem.startswith(notebook))
            assert f"# ## {section} · " in source.read_text(encoding="utf-8")


def test_the_key_is_the_inventory_s():
    rows = table(chapter("The concept inventory", 2), "| Question |")
    assert rows == [
        [str(question.number), question.key, question.concept, question.notebook] for question in QUESTIONS
    ]


def test_the_example_of_a_gain_is_right():
    from mixturelab.exercises.inventory import gain

    before, after, found = map(
        float, re.search(r"from a mean of ([\d.]+) to ([\d.]+) it is ([\d.]+\d)", TEXT).groups()
    )
    assert gain(before, after) == pytest.approx(found)


def test_there_are_ten_lessons_with_all_notebooks_in_order():
    rows = table(chapter("Ten lessons", 2), "| Lesson |")
    assert [row[0] for row in rows] == [str(number) for number in range(1, 11)]
    named = re.findall(r"\]\((\d\d)_\w+\.ipynb\)", " ".join(row[1] for row in rows))
    assert all(a <= b for a, b in pairwise(named))
    linked = set(re.findall(r"\((\d\d_\w+)\.ipynb\)", chapter("Ten lessons", 2)))
    assert linked == {path.stem for path in NUMBERED}


def test_links_lead_somewhere():
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(links) > 20
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors, link
        elif not link.startswith("https://"):
            assert (FOLDER / link).is_file(), link


def test_commands_are_there():
    for script in set(re.findall(r"python (scripts/\w+\.py)", TEXT)):
        assert (ROOT / script).is_file()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([\w-]+)|^    make ([\w-]+)", TEXT, re.MULTILINE)):
        name = "".join(target)
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), name
