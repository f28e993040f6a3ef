"""The card of a published flower set: what it is, how it is made, licence, known limits."""

from typing import Any

from vebi.data.an8flower.scene import get_flower_set

CARD = """# {flower_set}

{meaning}

- {images} images of {size} x {size} pixels, {n_classes} classes: {classes}.
- Version (SHA-256 over images, masks, labels, splits and scenes): `{version}`.
- Splits by base scene: {views_per_base} images of each class share one plant, and one base scene in
  {folds} is in the test split (those whose number leaves the remainder {fold}). Intervals and tests
  should draw base scenes, not images.
- Parts and their numbers: {parts}. Every pixel belongs to one part: what the ray through its centre
  hits. `shadow` is the ground that the sun does not reach.

## How it is made
Meshes, camera, light and colours are drawn from the seed and the image's index alone (`scenes.jsonl`
has all of them), and rendered by Blender {blender} (Cycles, CPU, {samples} samples per pixel) with one
sun, no bounces and no denoiser, so that the colour of a part changes no pixel outside it. Plants are
shared by all classes; what tells a class is what its name says, which the tests of `vebi` check with
classifiers on everything else. To make it again:

    vebi flowers --set {flower_set} {options} --out DIR

After the an8Flower sets of Oramas, Wang and Tuytelaars (Visual Explanation by Interpretation, ICLR
2019), whose images are others.

## Licence
MIT, as the code that draws it.

## Known limits
- Drawn, not photographed: one kind of flower, clean edges, flat ground, hard shadows.
- A pixel on an edge shows several parts and is counted to one.
- The masks say where the label comes from. What a network uses is another question, which
  interventions answer: `vebi.data.an8flower.intervene`.
- The reference is Blender's CPU renderer, in the version named above; other versions, and GPUs, may
  give other pixels and so another checksum.
"""
OPTIONS = ("images", "seed", "size", "samples", "views_per_base", "folds", "fold", "format")


def card(about: dict[str, Any]) -> str:
    """The card in Markdown, from the content of `version.json`."""
    chosen = get_flower_set(about["flower_set"])
    return CARD.format(
        **about | {"classes": ", ".join(chosen.classes)},
        meaning=chosen.about,
        n_classes=len(chosen.classes),
        parts=", ".join(f"{name} {number}" for name, number in about["part_names"].items()),
        options=" ".join(f"--{key.replace('_', '-')} {about[key]}" for key in OPTIONS),
    )
