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
        "vebi/catalogue/__init__.py": "",
        "vebi/catalogue/record.py": """
def record(cls):
    return cls
def resolve(text):
    return text
""",
        "vebi/catalogue/kinds.py": """
from vebi.catalogue.record import record
@record
class Inner:
    words: str
    size: int
@record
class Kind:
    name: str
    colour: str
    function: str
    inner: Inner
KINDS = {k.name: k for k in (
    Kind(name='one', colour='red', function='vebi.b:used', inner=Inner(words='w', size=1)),
    Kind(name='two', colour='blue', function='vebi.b:unused', inner=Inner(words='v', size=2)),
)}
""",
        "runs.py": "from vebi.catalogue.kinds import KINDS\nprint(KINDS['one'].function)\n",
        "draws.py": "from vebi.catalogue.kinds import KINDS\nprint(KINDS['one'].colour)\n",
        "measures.py": "from vebi.catalogue.kinds import KINDS\nprint(KINDS['one'].inner.size)\n",
        "makes.py": "from vebi.catalogue.kinds import Kind\nprint(Kind(function='vebi.a:g').function)\n",
        "names.py": "print('vebi.b:used')\n",
        "script.py": "from vebi.a import f\nprint(f(1))\n",
        "other.py": "from vebi.c import K\nK().m()\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
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


def test_text_that_names_a_function_leads_to_it(package):
    before = package.digest("names.py")
    package.edit("vebi/b.py", "return 1", "return 2")
    assert package.digest("names.py") == before
    package.edit("vebi/b.py", "return x", "return 2 * x")
    assert package.digest("names.py") != before


SCRIPTS = {"runs.py", "draws.py", "measures.py", "makes.py"}


@pytest.mark.parametrize(
    ("name", "old", "new", "reached_by"),
    [
        # Functions count for whoever reads `function`, also of the other records.
        ("vebi/b.py", "return x", "return -x", {"runs.py"}),
        ("vebi/b.py", "return 1", "return 2", {"runs.py"}),
        ("vebi/a.py", "return 0", "return 9", {"makes.py"}),
        ("vebi/catalogue/kinds.py", "colour='red'", "colour='green'", {"draws.py"}),
        ("vebi/catalogue/kinds.py", "words='w'", "words='x'", set()),
        ("vebi/catalogue/kinds.py", "size=2", "size=3", {"measures.py"}),
        # The name is read where the dictionary is made; a class's fields are code.
        ("vebi/catalogue/kinds.py", "'two'", "'three'", {"runs.py", "draws.py", "measures.py"}),
        ("vebi/catalogue/kinds.py", "colour: str", "colour: bytes", SCRIPTS),
    ],
)
def test_a_field_of_a_record_counts_where_it_is_read(package, name, old, new, reached_by):
    before = {script: package.digest(script) for script in SCRIPTS}
    package.edit(name, old, new)
    assert {script for script in SCRIPTS if package.digest(script) != before[script]} == reached_by


def test_values_that_change_places_between_records_count(package):
    before = package.digest("draws.py")
    package.edit("vebi/catalogue/kinds.py", "colour='red'", "colour='-'")
    package.edit("vebi/catalogue/kinds.py", "colour='blue'", "colour='red'")
    package.edit("vebi/catalogue/kinds.py", "colour='-'", "colour='blue'")
    assert package.digest("draws.py") != before


def test_the_heatmaps_do_not_depend_on_their_colours_nor_figures_on_the_methods_code(root):
    """Of the repository itself: what the scripts reach."""

    def reached(entry):
        seen = set()
        look_up = module._look_up

        def spy(origin, name):
            seen.add(origin)
            return look_up(origin, name)

        module._look_up = spy
        try:
            module.code_digest(entry if ":" in entry else root / "workflow/scripts" / entry)
        finally:
            module._look_up = look_up
        return seen

    drawing, computing = reached("vebi.studies.iou.figures:draw_iou_curves"), reached("explain.py")
    assert "vebi.catalogue.palette" in drawing - computing
    for name in ("vebi", "lrp", "resampling_precision"):
        assert f"vebi.heatmaps.methods.{name}" in computing - drawing
    assert "vebi.perturbation.perturbations" in computing
    assert "vebi.data.digits" in reached("load_dataset.py")
    assert "vebi.descriptors.statistics" in reached("describe.py")
    assert "vebi.models.nets" in reached("train.py")


def test_a_function_alone_is_an_entry(package):
    before = module.code_digest("vebi.b:used"), module.code_digest("vebi.b:unused")
    package.edit("vebi/b.py", "return 1\n", "return 2\n")
    module._load.cache_clear()
    assert module.code_digest("vebi.b:used") == before[0]
    assert module.code_digest("vebi.b:unused") != before[1]


def test_versions_of_the_libraries_that_the_code_uses(package, monkeypatch, request):
    package.edit("vebi/b.py", "def used", "import numpy as np\nfrom PIL import Image\ndef used")
    installed = {"numpy": "1", "pillow": "1", "torch": "1"}
    monkeypatch.setattr(module.metadata, "version", installed.__getitem__)

    def digest(script):
        module._version.cache_clear()
        return module.code_digest(module.ROOT / script, versions=True)

    request.addfinalizer(module._version.cache_clear)
    uses, draws = digest("script.py"), digest("draws.py")
    assert uses != package.digest("script.py")
    for name, matters in (("numpy", True), ("pillow", True), ("torch", False)):
        installed[name] = "2"
        assert (digest("script.py") != uses) == matters, name
        # What does not reach the module that imports them stays.
        assert digest("draws.py") == draws == package.digest("draws.py")
        installed[name] = "1"
