"""Data sets and trained networks: what the other studies stand on."""

from vebi.io.tables import RUN_KEYS, Allowed, Table
from vebi.record import paragraph
from vebi.run.plan import RUN
from vebi.studies.columns import with_interval
from vebi.studies.record import Figure, Study, Tabulation

STUDY = Study(
    name="networks",
    title="Images and networks",
    place="VEBI, sections 4.1 and 4.3",
    question=paragraph("""
        What do the networks look at, and how well do they know it? Where images have masks of what
        decides their class, as rendered flowers do, an explanation can be wrong, and how wrong can
        be measured.
    """),
    tables={
        "training": Table(
            keys=RUN_KEYS,
            values=("epochs", "train_accuracy", *with_interval("test_accuracy"), "n_test"),
            caption=paragraph("""
                A row per network: how long it was trained, and its accuracy on training and test
                images with a 95 % interval (Wilson).
            """),
            allowed=(
                Allowed("epochs", "exact", why="set by the config"),
                Allowed("n_test", "exact"),
                Allowed(
                    "test_accuracy_ci_*", "close", atol=0.02, why="ends of the interval over images"
                ),
                Allowed("*_accuracy", "close", atol=0.01, why="the targets leave 0.01 to spare"),
            ),
        ),
    },
    figures={
        "montage": Figure(
            draw="vebi.studies.networks.figures:draw_data_set",
            caption=paragraph("""
                Some images of the data set, two of each class where there is room; next to each, in
                white, the mask of the part that decides its class, where the data set has masks.
            """),
            per="dataset",
            inputs=lambda plan: {"dataset": plan.results / "data/{dataset}/dataset.h5"},
            memory_mb=1500,
        ),
        "training": Figure(
            draw="vebi.studies.networks.figures:draw_training",
            caption=paragraph("""
                Accuracy on test images while each network learns; a line per seed. What follows
                explains the networks at the end of their lines.
            """),
            inputs=lambda plan: {
                "histories": plan.files(f"models/{RUN}/history.csv"),
                "datasets": plan.dataset_files(plan.datasets()),
            },
            settings=lambda plan, _: {"runs": plan.runs(), "names": plan.datasets()},
        ),
    },
    wanted=lambda plan: bool(plan.config.experiments),
    tabulate=Tabulation(
        function="vebi.studies.networks.tables:tabulate",
        inputs=lambda plan: {
            "histories": plan.files(f"models/{RUN}/history.csv"),
            "datasets": plan.dataset_files(plan.datasets()),
        },
        settings=lambda plan: {"runs": plan.runs(), "names": plan.datasets()},
    ),
)
