"""Finding experiments, and the plan of a sweep."""

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from rnnjax.errors import ConfigError
from rnnjax.sweep.config import parse_config
from rnnjax.sweep.experiment import load
from rnnjax.sweep.group_names import group_id
from rnnjax.sweep.manifest import SAFE_ID
from rnnjax.sweep.plan import make_plan
from rnnjax.sweep.provenance import git_state

TOY = Path(__file__).with_name("toy_experiment.py")


@pytest.fixture(scope="module")
def toy():
    return load(str(TOY))


def planned(toy, **keys):
    axes = {"activation": ["tanh", "relu"], "gain": [0.5, 1, 2], "seed": "range(3)"}
    axes |= keys.pop("axes", {})
    return make_plan(toy, parse_config(toy.setting, {"axes": axes, "chunk": 4, **keys}))


def test_groups_are_static_and_lanes_are_the_rest(toy):
    plan = planned(toy)
    assert [group.id for group in plan.groups] == ["activation=tanh", "activation=relu"]
    assert [group.static for group in plan.groups] == [
        {"activation": "tanh"},
        {"activation": "relu"},
    ]
    assert (plan.n_cells, plan.n_lanes, plan.n_chunks) == (18, 9, 3)
    assert list(plan.axes) == ["activation", "gain", "seed"]
    assert plan.values_per_cell == 7
    assert plan.inner_shape("log_norm") == (6,)
    assert plan.inner_shape("horizon") == ()


def test_lanes_run_with_the_last_axis_fastest_and_the_last_chunk_is_filled_up(toy):
    plan = planned(toy)
    (group, _) = plan.groups
    chunks = [plan.lane_values(plan.chunk(group.lanes, number)) for number in range(plan.n_chunks)]
    gains = np.concatenate([chunk["gain"] for chunk in chunks])
    seeds = np.concatenate([chunk["seed"] for chunk in chunks])
    assert gains[:9].tolist() == np.repeat([0.5, 1, 2], 3).tolist()
    assert seeds[:9].tolist() == [0, 1, 2] * 3
    assert gains[8:].tolist() == [2.0] * 4
    assert seeds[8:].tolist() == [2] * 4


def test_chunks_follow_from_the_config_alone(toy):
    assert [planned(toy, chunk=chunk).n_chunks for chunk in (1, 4, 9, 64)] == [9, 3, 1, 1]
    plan = planned(toy, chunk=64)
    assert plan.chunk(plan.groups[0].lanes, 0).shape == (64,)


def test_many_lanes_are_cut_into_shards_of_whole_chunks(toy):
    plan = planned(toy, chunk=2, chunks_a_shard=2)
    whole = planned(toy, chunk=2)
    assert [(g.id, g.first, g.n_lanes) for g in plan.groups][:3] == [
        ("activation=tanh+lanes=0", 0, 4),
        ("activation=tanh+lanes=4", 4, 4),
        ("activation=tanh+lanes=8", 8, 1),
    ]
    assert (plan.programs, plan.n_cells, plan.n_chunks) == (2, 18, 2)
    chunks = [
        plan.chunk(group.lanes, number)
        for group in plan.groups[:3]
        for number in range(plan.chunks(group.n_lanes))
    ]
    lanes = whole.groups[0].lanes
    assert np.array_equal(chunks, [whole.chunk(lanes, number) for number in range(5)])


def test_sizes_count_values_and_statuses(toy):
    cube, memory = planned(toy).sizes(4, devices=2)
    assert cube == 18 * 7 * 5
    assert memory == cube + 2 * 2 * 4 * 7 * 4 + 9 * 7 * 4


@pytest.mark.parametrize(
    ("static", "id_"),
    [
        ({}, "all"),
        ({"activation": "tanh"}, "activation=tanh"),
        ({"activation": "tanh", "depth": 3, "leak": 0.5}, "activation=tanh+depth=3+leak=0.5"),
    ],
)
def test_plain_group_ids(static, id_):
    assert group_id(static) == id_


def test_unsafe_group_ids_are_made_safe_and_stay_apart():
    values = [
        "../../etc/passwd",
        "a/b",
        "a_b",
        "a b",
        "A",
        "a",
        "ü",
        "x" * 300,
        "x" * 301,
        "\0",
        ".",
    ]
    ids = [group_id({"word": value}) for value in values]
    assert len({name.lower() for name in ids}) == len(values)
    assert all(SAFE_ID.fullmatch(name) for name in ids)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "p", "b": "q+b=r"}, {"a": "p+b=q", "b": "r"}),
        ({"a": "p+b=q+c=r"}, {"a": "p", "b": "q", "c": "r"}),
        ({"a": "p+lanes=64"}, {"a": "p"}),
    ],
)
def test_values_that_read_like_other_axes_have_groups_of_their_own(one, other):
    ends = ["", "+lanes=64"]
    ids = {group_id(static) + end for static in (one, other) for end in ends}
    assert len(ids) == 4 and all(SAFE_ID.fullmatch(name) for name in ids)


def test_a_sweep_that_is_too_large_names_the_product(toy):
    with pytest.raises(
        ConfigError, match=r"^axes: .* 100000000 cells, got .*gain 1000 x seed 1000"
    ):
        planned(toy, axes={"gain": "lin(1,2,1000)", "seed": "range(1000000)"})
    with pytest.raises(ConfigError, match=r"^axes: .* 1000000000 values, got .* cells of 1000002"):
        planned(toy, axes={"gain": "lin(1,2,500)"}, length=10**6)
    with pytest.raises(ConfigError, match=r"^chunks_a_shard: .* 50000 groups of 1 lanes"):
        planned(toy, axes={"seed": "range(10000)"}, chunk=1, chunks_a_shard=1)


def variant(tmp_path, *changes):
    text = TOY.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "variant.py"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("def measure(", "def measures(", "to define measure"),
        ("class Setting(sweep.Setting)", "class Settings(sweep.Setting)", "to define Setting"),
        ("class Setting(sweep.Setting)", "class Setting", "Setting in .* subclass"),
        ("gain: PositiveFloat = 1.0", "gain: PositiveFloat", "gain: expected a default"),
        ("def shared(setting)", "def shared()", r"shared\(setting\) in .*many positional"),
        ("def measure(setting, shared)", "def measure(setting)", r"measure\(setting, shared\) in"),
        ("def shared(setting)", "def drawn(setting)", r"measure\(setting\) in .*missing.*shared"),
        ("def claims(", "CLAIMS = ()\n\n\ndef claims(", "claims or CLAIMS in .*, got both"),
        ("import numpy as np", "import no_such_module", r"line \d+: ModuleNotFoundError"),
        ("import numpy as np", "import numpy as", r"SyntaxError"),
        ('Variable(("lag",)', 'Variable(("leg",)', "variable 'log_norm' has dim 'leg'"),
        (
            '{"lag": np.arange(setting.length + 1)}',
            '{"gain": np.arange(3)}',
            "'gain' stands for two",
        ),
        ("np.arange(setting.length + 1)", "np.ones((2, 2))", "coordinate 'lag' is not 1-d"),
        ("np.arange(setting.length + 1)", "np.arange(10**15)", "MemoryError"),
        ("np.arange(setting.length + 1)", "1 / 0", "ZeroDivisionError"),
    ],
)
def test_an_experiment_that_contradicts_itself_is_told_so(tmp_path, old, new, told):
    with pytest.raises(ConfigError, match=told) as caught:
        planned(load(variant(tmp_path, (old, new))))
    assert str(caught.value).isprintable()


def test_inner_dimensions_cannot_depend_on_an_axis(toy):
    with pytest.raises(ConfigError, match=r"^axes\.length: expected one value of length, because"):
        planned(toy, axes={"length": [5, 6]})
    assert planned(toy, axes={"length": [6]}).inner_shape("log_norm") == (7,)


def test_an_unknown_experiment_names_the_choices(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "gradient_norms_of_mine.py").write_text("")
    with pytest.raises(
        ConfigError, match=r"expected one of .*did you mean 'gradient_norms_of_mine'"
    ):
        load("gradient_norm_of_mine")
    for missing in ("no/such", "such.py", "a\0b.py", "/"):
        with pytest.raises(ConfigError, match=r"^experiment: expected a file"):
            load(missing)


def test_the_config_beside_an_experiment(toy):
    assert toy.toml() == TOY.with_suffix(".toml")
    assert re.search(r"toy_experiment\.quick\.toml$", str(toy.toml("quick")))
    assert toy.name == str(TOY)


def test_provenance_tells_the_revision_of_a_checkout(tmp_path, monkeypatch):
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    unknown = {"git_revision": "unknown", "git_dirty": "unknown"}
    assert git_state(tmp_path) == unknown

    def git(*arguments):
        own = ["-c", "user.name=n", "-c", "user.email=e"]
        command = ["git", "-C", str(tmp_path), *own, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    (tmp_path / "rnnjax").mkdir()
    (tmp_path / "rnnjax" / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-m", "first")
    clean = {"git_revision": git("rev-parse", "HEAD"), "git_dirty": "false"}
    (tmp_path / "notes.txt").write_text("no code")
    assert git_state(tmp_path) == clean
    (tmp_path / "rnnjax" / "code.py").write_text("2")
    assert git_state(tmp_path) == clean | {"git_dirty": "true"}
    assert git_state(tmp_path / "rnnjax") == unknown
