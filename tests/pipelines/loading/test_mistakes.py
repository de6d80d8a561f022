"""Everything that is wrong with a file is told at once, each with its place."""

import re

import pytest
from flow_parts import write_plugins
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeflow.errors import ConfigError, EdgeFlowError, GraphError
from edgeflow.pipelines.loading.loader import load, load_text

GOOD = """\
version: 1
connectors:
  - {id: feed, type: parts.Feed, pipeline: main}
pipelines:
  - id: main
    agents: [watch]
agents:
  watch: {type: parts.Watch, dispatcher: keep}
actions:
  keep: {type: parts.Keep}
"""

TEN_MISTAKES = """\
version: 1
metrics_prot: 9108
gateway: {host: 127.0.0.1, port: 80080}
connectors:
  - id: feed
    type: parts.Fed
    pipeline: main
  - id: other
    type: parts.Feed
    topics:
      - {filter: a/b, pipeline: man, serialiser: json}
pipelines:
  - id: main
    preprocess: {use: parts.vector, keyz: [a]}
    postprocess: parts.totl
    agents: [wach]
    on_deadline: dropp
agents:
  watch: {type: parts.Watch, above: high, dispatcher: kepe}
actions:
  keep: {type: parts.Keep}
  keep: {type: parts.Keep}
"""

EXPECTED = [
    (2, 1, "012", "metrics_port"),
    (3, 34, "013", ""),
    (6, 11, "016", "parts.Feed"),
    (11, 33, "015", "main"),
    (11, 38, "012", "serializer"),
    (14, 37, "019", "keys"),
    (15, 18, "016", "parts.total"),
    (16, 14, "015", "watch"),
    (17, 18, "013", "drop"),
    (19, 37, "013", ""),
    (19, 55, "015", "keep"),
    (22, 3, "011", "line 21"),
]


@pytest.fixture
def folder(tmp_path):
    write_plugins(tmp_path)
    return tmp_path


def mistakes(folder, text, **environment):
    with pytest.raises(GraphError) as caught:
        load_text(text, folder / "pipelines.yaml", environment)
    return list(caught.value.problems)


def test_ten_mistakes_and_more_show_their_places(folder):
    found = []
    for problem in mistakes(folder, TEN_MISTAKES):
        match = re.match(r".*pipelines\.yaml:(\d+):(\d+): ", problem.message)
        found.append((int(match[1]), int(match[2]), problem.code))
    assert found == [(line, column, f"EF-CONFIG-{code}") for line, column, code, _ in EXPECTED]
    for problem, (_, _, _, hint) in zip(mistakes(folder, TEN_MISTAKES), EXPECTED, strict=True):
        assert hint in problem.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", "not valid YAML"),
        ("a: b: c", "mapping values are not allowed"),
        ("\tversion: 1", "cannot start any token"),
        ("", "no mapping"),
        ("- 1", "no mapping"),
        ("a: !!python/object/apply:os.system [id]", "unknown key"),
        ("version: !!python/name:os.system x", "not allowed"),
        ("version: 1\n---\nversion: 1", "single document"),
        ("a: &a [*a]", "contains itself"),
        ("[" * 2000, "deeper"),
        ("? [a, b]\n: c", "plain text"),
        ("x: \x00", "not valid YAML"),
    ],
)
def test_a_broken_file_is_told_with_a_place(folder, text, says):
    problems = mistakes(folder, text)
    assert any(says in problem.message for problem in problems)
    assert all(re.search(r"pipelines\.yaml:\d+:\d+: ", problem.message) for problem in problems)


def test_alias_bombs_are_bounded(folder):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problems = mistakes(folder, "\n".join(lines))
    assert any("grows beyond" in problem.message for problem in problems)


def test_a_huge_file_is_refused(folder):
    assert "more than" in mistakes(folder, "x: " + "y" * (2 << 20))[0].message
    path = folder / "pipelines.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(path)
    with pytest.raises(ConfigError, match="No such file"):
        load(folder / "none.yaml")


def test_words_that_other_yaml_takes_for_truth_values_or_times_stay_text(folder):
    text = GOOD.replace("watch: {", "on: {").replace("[watch]", "[on]")
    text = text.replace("dispatcher: keep", "dispatcher: keep, target: 12:30:00, metric: no")
    declaration = load_text(text, folder / "pipelines.yaml")
    [agent] = declaration.agents
    assert (agent.name, agent.options.target, agent.options.metric) == ("on", "12:30:00", "no")


def test_anchors_and_merges(folder):
    text = GOOD.replace(
        "  watch: {type: parts.Watch, dispatcher: keep}",
        "  watch: &base {type: parts.Watch, dispatcher: keep, above: 3}\n"
        "  other: {<<: *base, above: 4}",
    ).replace("[watch]", "[watch, other]")
    declaration = load_text(text, folder / "pipelines.yaml")
    assert [agent.options.above for agent in declaration.agents] == [3, 4]


def test_values_from_environment_and_files(folder):
    (folder / "token").write_text("s3cret\n")
    text = GOOD.replace("type: parts.Feed,", "type: parts.Feed, qos: '${QOS:-1}',")
    text = text.replace("dispatcher: keep", "dispatcher: '${WHO}', target: '${file:token}/$${x}'")
    declaration = load_text(text, folder / "pipelines.yaml", {"WHO": "keep"})
    assert declaration.connectors[0].options.qos == 1
    assert declaration.agents[0].options.target == "s3cret/${x}"


def test_missing_values_name_the_place_and_are_told_once(folder):
    text = GOOD.replace("version: 1", "version: 1\nmetrics_port: ${PORT}")
    [problem] = mistakes(folder, text)
    assert "pipelines.yaml:2:15: metrics_port: the environment variable PORT" in problem.message
    assert "${PORT:-default}" in problem.hint
    [problem] = mistakes(folder, text.replace("${PORT}", "${file:no/such}"))
    assert "'no/such' cannot be read" in problem.message


def test_secrets_do_not_show_in_messages(folder):
    text = GOOD.replace("version: 1", "version: 1\nmetrics_port: ${PORT}")
    [problem] = mistakes(folder, text, PORT="topsecret")
    assert "topsecret" not in str(problem) and "${PORT}" in problem.message


def test_unused_parts_are_warnings(folder):
    text = GOOD + "  spare: {type: parts.Keep}\nzones:\n  door: [[0, 0], [1, 0], [1, 1]]\n"
    text = text.replace("agents: [watch]", "agents: []")
    warnings = [str(warning) for warning in load_text(text, folder / "pipelines.yaml").warnings]
    assert any("no pipeline names the agent 'watch'" in warning for warning in warnings)
    assert any("zone 'door'" in warning for warning in warnings)
    assert all("pipelines.yaml:" in warning for warning in warnings)


@pytest.mark.parametrize(
    ("code", "told", "line"),
    [
        ("x = 1\nraise ValueError('no')\n", "ValueError: no", 2),
        ("import json\n\njson.loads('{')\n", "JSONDecodeError: ", 3),
        ("def f(:\n    pass\n", "SyntaxError: invalid syntax", 1),
        ("if 1:\n    x = 1\n  y = 2\n", "IndentationError: ", 3),
        ("\nimport nowhere_at_all\n", "No module named 'nowhere_at_all'", 2),
        ("from .parts import Nothing\n", "ImportError: cannot import name 'Nothing'", 1),
    ],
)
def test_a_plugin_that_cannot_be_imported_names_its_line(folder, code, told, line):
    (folder / "plugins" / "bad.py").write_text(code)
    [problem] = mistakes(folder, GOOD.replace("parts.Keep", "bad.Keep"))
    assert told in problem.message and "frozen" not in problem.message
    assert problem.message.endswith(f"({folder}/plugins/bad.py:{line})")


def test_a_plugin_that_imports_a_broken_one_names_the_broken_line(folder):
    (folder / "plugins" / "bad.py").write_text("from . import worse\n")
    (folder / "plugins" / "worse.py").write_text("\n\nx = = 1\n")
    [problem] = mistakes(folder, GOOD.replace("parts.Keep", "bad.Keep"))
    assert problem.message.endswith(f"({folder}/plugins/worse.py:3)")


@pytest.mark.parametrize(
    ("stages", "at", "told"),
    [
        ("    preprocess: parts.vector\n", "6:5", "preprocess"),
        ("    postprocess: parts.total\n", "6:5", "postprocess"),
        (
            "    postprocess: parts.total\n    preprocess: parts.vector\n",
            "7:5",
            "preprocess and postprocess",
        ),
        ("    preprocess: parts.vector\n    postprocess: anomaly.zscore\n", "", ""),
        ("    model: any\n    preprocess: parts.vector\n", "", ""),
    ],
)
def test_stages_without_a_model_are_warned_of(folder, stages, at, told):
    text = GOOD.replace("    agents:", stages + "    agents:")
    found = load_text(text, folder / "pipelines.yaml").warnings
    begin = f"{folder}/pipelines.yaml:{at}: pipelines[0].{told.split()[0] if told else ''}: "
    expected = [f"{begin}the pipeline has no model for its {told}"] if told else []
    assert [warning.message for warning in found] == expected


def test_duplicate_ids(folder):
    text = GOOD.replace("pipelines:\n", "pipelines:\n  - {id: main}\n")
    [problem] = mistakes(folder, text)
    assert "'main' is declared twice" in problem.message and ":5:10" in problem.hint


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`${} \n\t,?0.<", max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    with pytest.raises(EdgeFlowError):
        load_text(text, folder / "pipelines.yaml", {})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_good_file_with_one_piece_replaced_never_crashes(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    write_plugins(folder)
    start = data.draw(st.integers(0, len(GOOD) - 1))
    end = data.draw(st.integers(start, min(len(GOOD), start + 20)))
    piece = data.draw(st.sampled_from(["", "x", "[]", "{}", "null", "1", ": ", "\n- ", "*a", "'"]))
    try:
        load_text(GOOD[:start] + piece + GOOD[end:], folder / "pipelines.yaml", {}).plugins.close()
    except EdgeFlowError as error:
        assert str(error)


def test_two_servers_on_one_port_are_named(folder):
    text = GOOD + "metrics_port: 8000\ndashboard: {port: 8000}\n"
    [problem] = mistakes(folder, text)
    assert "dashboard.port: port 8000 is wanted by metrics_port too" in problem.message


def test_a_stage_that_refuses_its_options_is_told(folder):
    (folder / "plugins" / "own.py").write_text(
        "class Scale:\n"
        "    def __init__(self, *, by: float):\n"
        "        if by <= 0:\n"
        "            raise ValueError('by has to be positive')\n"
        "    def __call__(self, message, payload):\n"
        "        return payload\n"
    )
    text = GOOD.replace("    agents:", "    preprocess: {use: own.Scale, by: -1}\n    agents:")
    [problem] = mistakes(folder, text)
    assert "own.Scale: by has to be positive" in problem.message
    assert problem.message.endswith("plugins/own.py:4)")
