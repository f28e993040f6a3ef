"""report.html in a real browser: from disk, without a network."""

import base64
import gzip
import json
import re
import shutil
import time
from dataclasses import replace

import h5py
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from vebi.data.dataset import Images, write_dataset
from vebi.figures.style import save
from vebi.io.tables import write_table
from vebi.report.curves import Selected
from vebi.report.gallery import Explained
from vebi.report.page import Sources, render, write_report
from vebi.report.places import TABLES
from vebi.run.manifest import write_manifest
from vebi.selection.path import ClassPath
from vebi.selection.path_file import Solution, write_solution
from vebi.selection.statistics import FeatureIndex
from vebi.studies.iou.iou_file import measure
from vebi.studies.iou.tables import tabulate

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
EXECUTABLE = next((path for name in BROWSERS if (path := shutil.which(name))), None)
METHODS = ("upsampled_activation", "deconv_gb", "vebi", "lrp")
NASTY = '</script><script>window.broken = 1</script><img src="x" onerror="window.broken = 2"> & "quoted"'
UNFOLD = "document.querySelectorAll('.fold, #untested').forEach((d) => { d.open = true; })"
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def make_experiment(folder, name, classes, size, channels, with_masks):
    """Data, predictions and maps of one network: 6 test images of each class, one predicted wrong."""
    rng = np.random.default_rng(len(name))
    n = 6 * len(classes)
    labels = np.arange(n) % len(classes)
    images = rng.integers(0, 256, (n, size, size, channels), np.uint8)
    masks = np.zeros((n, size, size), bool)
    masks[:, 4:14, 6:16] = True
    extra = {"masks": masks, "base_scene": np.arange(n) // 2} if with_masks else {}
    data, descriptors = folder / f"{name}.h5", folder / f"{name}-descriptors.h5"
    write_dataset(data, Images(images, labels, np.ones(n, np.int64), classes, extra))
    predictions = labels.copy()
    predictions[1] = 0
    with h5py.File(descriptors, "w") as file:
        file["predictions"] = predictions
        file.create_dataset("layer_names", data=["conv1", "fc2"], dtype=h5py.string_dtype())
    heatmaps = {method: folder / f"{name}-{method}.h5" for method in METHODS}
    for number, path in enumerate(heatmaps.values()):
        with h5py.File(path, "w") as file:
            file["heatmaps"] = ((masks + rng.random(masks.shape)) / 2).astype(np.float32)
            file["image_index"] = np.arange(n)
            if number < 3:
                file["features"] = np.tile([[0, 3], [1, number], [-1, -1]], (n, 1, 1))
    iou = folder / f"{name}-iou.h5" if with_masks else None
    if iou:
        measure(data, descriptors, heatmaps, iou, n_thresholds=11, seed=0)
    return Explained(name, "net", 0, data, descriptors, heatmaps, iou)


def make_path(path):
    """Two classes; the weight of feature conv1/7 is mu up to 1, that of fc2/0 is 1 - mu beyond."""
    nothing = np.zeros(3)
    rows = csr_array(np.array([[0.0, 0, 0], [0, 1, 0], [0, 1, -3]]))
    one = ClassPath(
        *(np.array([0.0, 1, 4]), rows.indptr.astype(np.int64), rows.indices.astype(np.int64)),
        *(rows.data, nothing, nothing, nothing, 3, 4.0),
    )
    solution = Solution(
        classes=[one, one],
        columns=np.arange(3),
        index=FeatureIndex(
            np.array(["conv1", "conv1", "fc2"]), np.array([0, 7, 0]), np.array(["conv"] * 3)
        ),
        mus=np.array([4.0]),
        objective=np.zeros((1, 2)),
        relative_gap=np.zeros((1, 2)),
        scope="all",
        labels="annotations",
        nonnegative=False,
        solver="path",
        n_samples=9,
    )
    write_solution(path, solution)


def make_tables(folder, iou):
    """The IoU tables as the pipeline makes them, and others with a few rows."""
    run = {"dataset": "flowers", "model": "net", "seed": 0}
    for name, frame in tabulate([iou], [run]).items():
        write_table(folder / f"{name}.csv", frame, TABLES[name])
    filled = {
        "training": [{**run, "epochs": 2, "test_accuracy": 0.9, "n_test": 18}],
        "selected_features": [
            {**run, "scope": "all", "mu": 5.0, "class": i % 3, "layer": "conv1", "channel": i}
            | {"layer_type": "conv", "weight": (i * 37 % 250) / 250}
            for i in range(250)
        ],
        "claims": [
            {"claim_id": f"vebi.{i}", "source": "VEBI", "statement": statement, "verdict": verdict}
            | {
                "published": 0.2,
                "measured": 0.1 * i,
                "ci_low": 0.1 * i - 0.1,
                "ci_high": 0.1 * i + 0.1,
            }
            | {
                "place": "Fig. 8",
                "rule": "the rule",
                "table": "iou_auc.csv: vebi",
                "tables": "iou_auc",
                "note": "the note",
            }
            for i, (verdict, statement) in enumerate(
                [
                    ("confirmed", "The maps lie on the masks"),
                    ("contradicted", "Upsampling is the weakest"),
                    ("not tested", "On ImageNet too"),
                    ("contradicted", NASTY),
                ]
            )
        ]
        + [
            {
                "claim_id": "mcgill.1",
                "source": "McGill report",
                "statement": "There is a tipping point",
            }
            | {"verdict": "contradicted", "published": 0.5}
        ],
    }
    for name, rows in filled.items():
        frame = pd.DataFrame(rows).reindex(columns=TABLES[name].columns)
        write_table(folder / f"{name}.csv", frame, TABLES[name])


@pytest.fixture(scope="module")
def sources(root, tmp_path_factory):
    """A finished run in small: a data set with masks and one without."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tables").mkdir()
    flowers = make_experiment(folder, "flowers", ["red", "blue", "sea <green>"], 96, 3, True)
    digits = make_experiment(folder, "digits", ["0", "1"], 28, 1, False)
    make_path(folder / "path.h5")
    make_tables(folder / "tables", flowers.iou)
    for name in ("training", "iou_curves", "montage_flowers", "montage_digits", "unheard_of"):
        figure, axis = plt.subplots(figsize=(8, 3))
        axis.plot([0, 1])
        save(figure, folder / "figures" / f"{name}.png")
        plt.close(figure)
    write_manifest(
        folder / "manifest.json",
        {
            "package": {"name": "vebi", "version": "1.0", "digest": "abc"},
            "versions": {"python": "3.11.7", "torch": "2.13.0"},
            **{"seeds": [0], "device": "cpu", "threads": {"compute": 1}},
            "config": {"run": "small", "seeds": [0]},
        },
    )
    return Sources(
        run="small",
        tables=sorted((folder / "tables").glob("*.csv")),
        figures=sorted((folder / "figures").glob("*.png")),
        manifest=folder / "manifest.json",
        explained=[flowers, digits],
        selected=[Selected("flowers", "net", 0, folder / "path.h5", ("red", "blue"), 1.5)],
    )


@pytest.fixture(scope="module")
def html(sources):
    return render(sources)


@pytest.fixture(scope="module")
def address(html, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html, encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    if EXECUTABLE is None:
        pytest.skip("no Chromium here: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox, which root in a container has not.
        one = playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        yield one
        one.close()


def until(condition, seconds=60):
    """Wait for what the page does later. (Playwright's own way needs scripts that the page forbids.)"""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def visit(browser, address):
    """Opens the page; at the end of the test nothing may have gone wrong or been asked for."""
    contexts, wrong = [], []

    def open_page(unfold=True, **options):
        context = browser.new_context(offline=True, accept_downloads=True, **options)
        contexts.append(context)
        page = context.new_page()
        # The machine may be busy.
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "request",
            lambda r: (
                None
                if r.url.split("#")[0] == address or r.url[:5] in ("data:", "blob:")
                else wrong.append(r.url)
            ),
        )
        page.goto(address)
        page.wait_for_selector("#theme:not([hidden])")
        if unfold:
            page.evaluate(UNFOLD)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def test_equal_runs_are_equal_bytes(sources, html, tmp_path):
    write_report(tmp_path / "report.html", sources)
    assert (tmp_path / "report.html").read_bytes() == html.encode()


def test_nothing_in_the_page_leads_outside_but_links(html):
    loaded = re.findall(r'\b(?:src|srcset|action|poster|data)="([^"]*)"', html)
    assert loaded
    assert all(address.startswith("data:image/") for address in loaded)
    assert re.findall(r'<link[^>]*href="([^"]*)"', html) == ["data:,"]
    assert "@import" not in html
    assert not re.search(r"url\((?!data:)", html)


def test_text_of_results_is_shown_and_never_run(visit):
    page = visit()
    assert page.locator("#claims .said").filter(has_text="onerror").first.inner_text() == NASTY
    assert page.evaluate("window.broken") is None


def test_every_image_is_there_and_has_a_text(visit):
    page = visit()
    for number in range(2):
        page.select_option("#g-set", str(number))
        page.click("#g-all")
        while page.locator("#g-more").is_visible():
            page.click("#g-more")
        images, decoded = page.evaluate("""async () => {
          const images = [...document.images].filter((i) => i.getAttribute('src'));
          const decode = (i) => i.decode().then(() => i.naturalWidth > 0, () => false);
          const ok = await Promise.all(images.map(decode));
          return [images.length, ok.filter(Boolean).length]; }""")
        per_item = 2 + len(METHODS) if number == 0 else 1 + len(METHODS)
        assert images == decoded == 5 + 4 + per_item * page.locator(".item").count()
    unnamed = page.evaluate(
        "[...document.images].filter((i) => i.getAttribute('src') && !i.alt).length"
    )
    assert unnamed == 0


def test_the_gallery_is_browsed_by_data_set_class_and_method(visit):
    page = visit()
    titles = lambda: page.locator(".item h3").all_inner_texts()  # noqa: E731
    assert page.locator("#g-class option").all_inner_texts() == [
        "all",
        "red",
        "blue",
        "sea <green>",
    ]
    page.select_option("#g-class", "1")
    assert len(titles()) == 5
    assert all(title.startswith("blue") for title in titles())
    page.check("#g-wrong")
    assert [re.sub(r"\s+", " ", title) for title in titles()] == [
        "blue ✕ predicted red test image 1"
    ]
    tiles = page.locator(".item .tiles figcaption b")
    assert tiles.all_inner_texts()[:2] == ["image", "mask"]
    assert "LRP (epsilon plus flat)" in tiles.all_inner_texts()
    page.click("#g-paper")
    assert len(tiles.all_inner_texts()) == 2 + 3
    page.click('[data-method="vebi"]')
    assert not any(text.startswith("VEBI") for text in tiles.all_inner_texts())
    page.check("#g-over")
    assert page.locator(".item img.under").count() == 2
    page.select_option("#g-class", "2")
    assert titles() == []
    assert page.inner_text("#g-count").startswith("None of the images here fits")
    page.uncheck("#g-wrong")
    page.select_option("#g-set", "1")
    assert page.locator("#g-class option").all_inner_texts() == ["all", "0", "1"]
    assert "mask" not in tiles.all_inner_texts()


def test_maps_of_features_name_them_and_have_their_area(visit, sources):
    page = visit()
    page.click("#g-all")
    captions = page.locator(".item").first.locator("figcaption").all_inner_texts()
    of_vebi = next(text for text in captions if text.startswith("VEBI"))
    assert "conv1, channel 3; fc2, channel 2" in of_vebi
    with h5py.File(sources.explained[0].iou) as file:
        curve = file["vebi/curves"][0]
    assert f"area {np.trapezoid(curve, dx=0.1):.2f}" in of_vebi


def test_claims_are_filtered_and_a_failed_one_is_as_visible_as_a_confirmed_one(visit):
    page = visit()
    tiles = page.locator(".tile")
    assert [re.sub(r"\s+", " ", text) for text in tiles.all_inner_texts()] == [
        *("1 ✓ confirmed", "3 ✕ contradicted", "1 – not tested"),
    ]
    assert len({round(tile.bounding_box()["height"]) for tile in tiles.all()}) == 1
    shown = page.locator(".claim:visible")
    assert shown.count() == 5
    page.click('.tile[data-verdict="contradicted"]')
    assert shown.count() == 3
    page.select_option("#claim-source", "McGill report")
    assert shown.count() == 1
    assert page.inner_text("#claim-count") == "1 of 5 claims"
    page.fill("#claim-words", "no such words")
    assert shown.count() == 0
    assert page.is_visible("#claim-none")
    # A link from a study leads to its claim in spite of the filters.
    page.locator('.short-claims a[href="#claim-vebi.0"]').click()
    until(lambda: page.locator(".claim[hidden]").count() == 0)
    assert page.locator('[id="claim-vebi.0"]').is_visible()
    assert page.locator('[id="claim-vebi.0"] svg').get_attribute("aria-label") == (
        "measured 0, interval −0.100 to 0.100, published 0.200"
    )


def test_tables_sort_search_grow_and_are_saved_as_they_are(visit, sources):
    page = visit()
    block = page.locator('details[data-table="selected_features"]')
    assert block.get_attribute("open") is not None, "the first table of a study is open"
    rows = block.locator("tbody tr")
    first = rows.count()
    assert 0 < first < 20
    weight = TABLES["selected_features"].columns.index("weight")
    cells = lambda: [float(r.locator("td").nth(weight).inner_text()) for r in rows.all()]  # noqa: E731
    block.locator("th button", has_text="weight").click()
    expected = sorted(i * 37 % 250 / 250 for i in range(250))
    until(lambda: cells() == pytest.approx(expected[:first]))
    block.locator("th button", has_text="weight").click()
    until(lambda: cells() == pytest.approx(expected[::-1][:first]))
    assert block.locator("th[aria-sort=descending]").inner_text().startswith("weight")
    block.locator(".more").click()
    until(lambda: rows.count() == first + 100)
    block.locator(".more").click()
    block.locator(".more").click()
    until(lambda: rows.count() == 250)
    assert not block.locator(".more").is_visible()
    block.locator("input").fill("conv1 249")
    until(lambda: rows.count() == 1)
    with page.expect_download() as download:
        block.locator(".save").click()
    path = next(p for p in sources.tables if p.stem == "selected_features")
    assert download.value.suggested_filename == "selected_features.csv"
    assert download.value.path().read_bytes() == path.read_bytes()


def test_curves_are_read_with_the_arrow_keys(visit, sources):
    page = visit()
    curves = pd.read_csv(next(p for p in sources.tables if p.stem == "iou_curve"))
    plot = page.locator("#iou-plot")
    plot.locator(".canvas").focus()
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert plot.locator(".at").inner_text() == "IoU at threshold 0.30"
    value = curves[(curves["method"] == "vebi") & np.isclose(curves["threshold"], 0.3)]["mean_iou"]
    button = plot.locator(".legend button", has_text="VEBI")
    assert button.locator(".value").inner_text() == f"{value.item():.3f}"
    before = plot.locator("canvas").evaluate("c => c.toDataURL()")
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    until(lambda: plot.locator("canvas").evaluate("c => c.toDataURL()") != before)
    path = page.locator("#path-plot")
    assert path.locator(".class option").all_inner_texts() == ["red", "blue"]
    path.locator(".canvas").focus()
    page.keyboard.press("End")
    assert path.locator(".at").inner_text() == "mu = 4.00: 2 features with a weight"
    values = [re.sub(r"\s+", " ", t) for t in path.locator(".legend button").all_inner_texts()]
    assert values == ["conv1, channel 7 1.000", "fc2, channel 0 −3.000"]


def test_the_whole_page_is_used_without_a_mouse(visit):
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
    page.locator("#theme").focus()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("Space")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    figure = page.locator("#figure-iou_curves")
    figure.focus()
    page.keyboard.press("Enter")
    assert page.locator("#light").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#light").is_visible()
    assert page.evaluate("document.activeElement.id") == "figure-iou_curves"
    tabs = page.locator('.family[aria-label="Montage"] .tabs button')
    assert tabs.all_inner_texts() == ["digits", "flowers"]
    tabs.nth(1).focus()
    page.keyboard.press("Enter")
    assert page.is_visible("#figure-montage_flowers")
    assert not page.is_visible("#figure-montage_digits")
    # Whatever can be used can be reached, and shows that it is.
    reached = page.evaluate("""() =>
      [...document.querySelectorAll('button, a[href], input, select, summary, .canvas')]
        .filter((e) => e.checkVisibility()).every((e) => e.tabIndex >= 0)""")
    assert reached


def test_the_document_is_in_order(visit):
    page = visit()
    found = page.evaluate("""() => ({
      ids: [...document.querySelectorAll('[id]')].map((e) => e.id),
      headings: [...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1])),
      nameless: [...document.querySelectorAll('input, select')].filter((e) => !e.labels.length).length,
      empty: [...document.querySelectorAll('button, a')].filter((e) => e.checkVisibility()
        && !(e.textContent.trim() || e.getAttribute('aria-label'))).length,
      language: document.documentElement.lang,
      dangling: [...document.querySelectorAll('a[href^="#"]')]
        .filter((a) => !document.getElementById(decodeURIComponent(a.hash.slice(1)))).length })""")
    assert len(found["ids"]) == len(set(found["ids"]))
    assert found["headings"].count(1) == 1
    assert all(b - a <= 1 for a, b in zip(found["headings"], found["headings"][1:], strict=False))
    assert (found["nameless"], found["empty"], found["dangling"]) == (0, 0, 0)
    assert found["language"] == "en"


CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = parse(getComputedStyle(at).backgroundColor);
      if (c.length < 4 || c[3] > 0.99) return c;
    }
    return [255, 255, 255];
  };
  const low = [];
  for (const e of document.querySelectorAll('main *, nav *, header *')) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !e.checkVisibility() || e.closest('svg, .uplot')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) low.push(`${e.className}: ${e.textContent.trim().slice(0, 30)}`);
  }
  return [low, light(ground(document.body))];
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(visit, scheme):
    page = visit(color_scheme=scheme)
    low, ground = page.evaluate(CONTRAST)
    assert low == []
    assert (ground > 0.8) == (scheme == "light")
    assert (ground < 0.05) == (scheme == "dark")
    page.click("#theme")
    low, other = page.evaluate(CONTRAST)
    assert low == []
    assert (other < 0.05) == (scheme == "light")


@pytest.mark.parametrize("width", [320, 360, 768])
def test_a_small_screen_never_scrolls_sideways(visit, width):
    page = visit(**{**PHONE, "viewport": {"width": width, "height": 740}})
    page.evaluate("document.querySelectorAll('main details').forEach((d) => { d.open = true; })")
    wide = page.evaluate("""() => [document.documentElement.scrollWidth,
      [...document.querySelectorAll('main *')].filter((e) => e.checkVisibility()
        && !e.closest('.wide') && e.getBoundingClientRect().right > innerWidth + 1)
        .map((e) => `${e.tagName}.${e.className}`).slice(0, 5)]""")
    assert wide == [width, []]
    assert page.locator("#contents").get_attribute("open") is None
    page.locator("#contents summary").click()
    page.locator("#contents a", has_text="Gallery").click()
    until(
        lambda: abs(page.locator("#gallery").evaluate("e => e.getBoundingClientRect().top")) < 200
    )


def test_without_javascript_the_results_are_there(browser, address):
    context = browser.new_context(offline=True, java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".claim").count() == 5
    assert page.locator("details[data-table=iou_auc] tbody tr").count() > 0
    assert page.locator(".paper img").count() == 5
    context.close()


def test_results_of_an_unknown_kind_are_shown_too(visit):
    page = visit()
    assert page.is_visible("#others #figure-unheard_of")


@pytest.mark.parametrize("left_out", ["gallery", "everything"])
def test_a_run_with_less_has_a_page_too(browser, sources, tmp_path, left_out):
    tables = [p for p in sources.tables if p.stem in ("training", "claims")]
    less = Sources("less", tables if left_out == "gallery" else [], [], sources.manifest)
    write_report(tmp_path / "report.html", less)
    context = browser.new_context(offline=True)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto((tmp_path / "report.html").as_uri())
    page.wait_for_selector("#theme:not([hidden])")
    assert page.locator("#gallery").count() == 0
    has_claims = page.locator(".claim").count() > 0
    assert has_claims == (left_out == "gallery")
    assert page.get_by_text("This run has no table of claims").count() == (not has_claims)
    context.close()
    assert wrong == []


@pytest.mark.parametrize("kind", ["image_folder", "an8flower"])
def test_a_run_on_somebody_s_own_images_is_about_them(sources, tmp_path, kind):
    """It names their network and keeps quiet about claims that their images say nothing of."""
    manifest = json.loads(sources.manifest.read_text())
    manifest["config"] |= {
        "datasets": {"photos": {"kind": kind}},
        "experiments": [{"dataset": "photos", "model": "mine"}],
    }
    write_manifest(tmp_path / "manifest.json", manifest)
    page = render(replace(sources, manifest=tmp_path / "manifest.json"))
    is_own = kind == "image_folder"
    assert ("mine on photos: what it looks at" in page) == is_own
    assert ("from the first rendered image" in page) != is_own
    # Claims that were tested stay.
    assert 'data-verdict="confirmed"' in page
    assert ('data-verdict="not tested"' in page) != is_own
    # Their images come before the works' claims, which come first elsewhere.
    assert (page.index('id="gallery"') < page.index('id="claims"')) == is_own
    leads = re.findall(
        r'<li>.*?<a href="#([^"]+)">', page.split('class="leads"')[1].split("</ol>")[0]
    )
    assert all(target.startswith("claim-") != is_own for target in leads)


def test_the_page_opens_with_an_image_and_findings_and_the_gallery_is_near(visit, html):
    page = visit(unfold=False, viewport={"width": 1280, "height": 800})
    texts = page.locator(".example figcaption b").all_inner_texts()
    assert texts == [
        "the image",
        "the mask",
        "VEBI (stride 1 in conv + pool)",
        "deconvnet + guided backprop",
    ]
    assert page.locator(".example").bounding_box()["y"] < 500
    # Of each verdict one, in the works' order; what was not tested is not a finding.
    leads = page.locator(".leads li")
    assert [text.split(" ")[1] for text in leads.locator(".chip").all_inner_texts()] == [
        *("confirmed", "contradicted", "contradicted", "contradicted"),
    ]
    assert (
        "The maps lie on the masks: 0 (−0.100 to 0.100); published 0.200"
        in leads.first.inner_text()
    )
    top = page.locator("#gallery").evaluate("e => e.getBoundingClientRect().top + scrollY")
    assert top < 12 * 800
    assert page.locator("#claims .claim:visible").count() == 4
    assert page.locator("#untested .claim").count() == 1
    colours = page.evaluate("""() => ['good', 'bad', 'partly', 'open', 'none'].map((name) => {
      const chip = document.createElement('span');
      chip.className = `chip ${name}`;
      document.body.append(chip);
      return getComputedStyle(chip).backgroundColor; })""")
    assert len(set(colours)) == 5
    # What is folded opens where a link leads.
    page.locator("#contents a", has_text="Do the maps lie").click()
    until(lambda: page.locator("#iou .fold").get_attribute("open") is not None)


def test_a_table_that_goes_on_to_the_right_says_so(visit):
    page = visit(**PHONE)
    until(lambda: page.locator(".wide.cut:visible").count() > 0)
    shown = {True: 0, False: 0}
    for number in range(page.locator(".wide").count()):
        block = page.locator(".wide").nth(number)
        if block.is_visible():
            goes_on = block.evaluate("e => e.scrollWidth - e.clientWidth") > 4
            assert page.locator(".wide + .hint").nth(number).is_visible() == goes_on
            shown[goes_on] += 1
    assert shown[True] > 0
    wide = page.locator(".wide.cut:visible").first.element_handle()
    assert wide is not None
    wide.evaluate("e => { e.scrollLeft = e.scrollWidth; }")
    # At its end there is no more to come.
    until(lambda: not wide.evaluate("e => e.classList.contains('cut')"))
    assert not wide.evaluate("e => e.classList.contains('cut')")


def test_packed_tables_are_those_of_the_run(html, sources):
    data = json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1]
    )
    for path in sources.tables:
        if path.stem != "claims":
            assert gzip.decompress(base64.b64decode(data["tables"][path.stem])) == path.read_bytes()
