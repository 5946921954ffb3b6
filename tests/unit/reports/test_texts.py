import re
from pathlib import Path
from string import Formatter

import marketsentry.reports as reports
from marketsentry.reports.facts import Lang
from marketsentry.reports.texts import TEXTS, name_of, texts


def test_both_languages_have_every_text_with_the_same_places():
    for key, (chinese, english) in TEXTS.items():
        places = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in (chinese, english)]
        assert chinese.strip(), key
        assert english.strip(), key
        assert places[0] == places[1], key
        assert not re.search(r"[\u4e00-\u9fff]", english), key


def test_every_text_that_the_code_asks_for_exists():
    folder = Path(reports.__file__).parent
    asked = {
        key
        for file in folder.glob("*.py")
        for key in re.findall(r'\btext\(\s*"([\w.]+)"', file.read_text(encoding="utf-8"))
    }
    assert len(asked) > 60
    assert asked <= set(TEXTS)


def test_unknown_names_read_as_they_are():
    assert name_of(texts(Lang.EN), "measure", "my_own_number") == "my own number"
    assert name_of(texts(Lang.ZH), "measure", "sharpe") == "夏普比率"
