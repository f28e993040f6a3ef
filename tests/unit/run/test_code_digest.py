import pytest

from vebi.run import code_digest as module


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package to edit, and a function that gives the digest of a script in it."""
    files = {
        "vebi/__init__.py": "",
        "vebi/a.py": """
from vebi.b import used
LIMIT = 3
def f(x):
    '''Text.'''
    return used(x) + LIMIT
def g():
    return 0
""",
        "vebi/b.py": """
def used(x):
    return deeper(x)
def deeper(x):
    return x
def unused():
    return 1
""",
        "vebi/c.py": """
from . import a
TABLE = {'f': a.f}
class K:
    def m(self):
        return TABLE
""",
        "script.py": "from vebi.a import f\nprint(f(1))\n",
        "other.py": "from vebi.c import K\nK().m()\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(module, "ROOT", tmp_path)

    class Package:
        def digest(self, script="script.py"):
            module._load.cache_clear()
            return module.code_digest(tmp_path / script)

        def edit(self, name, old, new):
            path = tmp_path / name
            assert old in path.read_text()
            path.write_text(path.read_text().replace(old, new))

    yield Package()
    module._load.cache_clear()


@pytest.mark.parametrize("script", ["script.py", "other.py"])
@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("vebi/a.py", "+ LIMIT", "- LIMIT"),
        ("vebi/a.py", "LIMIT = 3", "LIMIT = 4"),
        ("vebi/b.py", "return x", "return -x"),
    ],
)
def test_editing_reached_code_changes_the_digest(package, script, name, old, new):
    before = package.digest(script)
    package.edit(name, old, new)
    assert package.digest(script) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("vebi/b.py", "return 1", "return 2"),
        ("vebi/a.py", "return 0", "return 9"),
        ("vebi/a.py", "'''Text.'''", "'''Another text.'''"),
        ("vebi/a.py", "def g", "# a comment\n\n\ndef g"),
        ("vebi/c.py", "return TABLE", "return None"),
    ],
)
def test_editing_what_is_not_reached_does_not(package, name, old, new):
    before = package.digest()
    package.edit(name, old, new)
    assert package.digest() == before


def test_the_script_itself_counts(package):
    before = package.digest()
    package.edit("script.py", "f(1)", "f(2)")
    assert package.digest() != before


def test_a_registry_leads_to_its_functions(package):
    before = package.digest("other.py")
    package.edit("vebi/b.py", "return x", "return 2 * x")
    assert package.digest("other.py") != before


def test_a_function_alone_is_an_entry(package):
    before = module.code_digest("vebi.b:used"), module.code_digest("vebi.b:unused")
    package.edit("vebi/b.py", "return 1\n", "return 2\n")
    module._load.cache_clear()
    assert module.code_digest("vebi.b:used") == before[0]
    assert module.code_digest("vebi.b:unused") != before[1]
