import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from acting import act, acting, action, dispatch
from connecting import until
from edgeflow.errors import ActionError, ConfigError
from edgeflow.pipelines.actions.command import CommandDispatcher


def test_a_listed_command_runs_and_its_output_is_kept() -> None:
    (result,) = act(CommandDispatcher, action(), commands={"hello": ["echo", "hello", "door"]})
    assert result.ok
    assert result.detail == "exit code 0: hello door"
    assert result.target == "hello"


def test_values_are_whole_arguments_and_never_a_shell(tmp_path: Path) -> None:
    evil = f"x; touch {tmp_path}/pwned $(touch {tmp_path}/pwned)"
    (result,) = act(
        CommandDispatcher,
        action({"name": evil, "n": {"m": 3}}),
        commands={"show": ["printf", "%s|%s", "{name}", "{n.m}"]},
        allow=["name", "n.m"],
    )
    assert result.detail == f"exit code 0: {evil}|3"
    assert not (tmp_path / "pwned").exists()


def test_a_command_that_is_not_listed_is_refused() -> None:
    with pytest.raises(ActionError, match="not listed"):
        act(CommandDispatcher, action(target="/bin/sh"), commands={"ok": ["true"]})


def test_a_payload_that_does_not_fit_is_refused() -> None:
    options = {"commands": {"show": ["echo", "{name}"]}, "allow": ["name"]}
    for name in ("-rf", -5, -0.5, "a\0b", "x" * 5000, [1], None, {"a": 1}):
        with pytest.raises(ActionError):
            act(CommandDispatcher, action({"name": name}), **options)
    with pytest.raises(ActionError, match="no 'name'"):
        act(CommandDispatcher, action({"other": 1}), **options)
    with pytest.raises(ActionError, match="no 'name'"):
        act(CommandDispatcher, action(b"bytes"), **options)


@pytest.mark.parametrize("allowed", [True, ["name"]])
def test_values_below_zero_pass_where_the_operator_wants_it(allowed: bool | list[str]) -> None:
    options = {"commands": {"show": ["echo", "{name}", "{other}"]}, "allow": ["name", "other"]}
    (result,) = act(
        CommandDispatcher, action({"name": -5, "other": 1}), allow_options=allowed, **options
    )
    assert result.detail == "exit code 0: -5 1"
    if allowed is not True:
        with pytest.raises(ActionError, match="'other' begins with '-'"):
            act(
                CommandDispatcher,
                action({"name": 1, "other": -1}),
                allow_options=allowed,
                **options,
            )


@pytest.mark.parametrize(
    "arguments",
    [["{name}"], ["echo", "--name={name}"], ["echo", "{secret}"], ["echo", "a\0b"]],
)
def test_placeholders_that_are_not_safe_are_refused_at_the_start(arguments: list[str]) -> None:
    with pytest.raises(ConfigError):
        act(CommandDispatcher, commands={"x": arguments}, allow=["name"])


def test_a_command_that_fails_says_so() -> None:
    (result,) = act(
        CommandDispatcher, action(), commands={"x": ["sh", "-c", "echo broken >&2; exit 3"]}
    )
    assert not result.ok
    assert result.detail == "exit code 3: broken"


def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ActionError, match="cannot be run"):
        act(CommandDispatcher, action(), commands={"x": ["/nowhere/program"]})


def test_time_is_limited_and_children_die_too(tmp_path: Path) -> None:
    script = f"sleep 100 & echo $! > {tmp_path}/pid; wait"
    started = time.monotonic()
    (result,) = act(CommandDispatcher, action(), commands={"x": ["sh", "-c", script]}, timeout=0.5)
    assert time.monotonic() - started < 10
    assert not result.ok
    assert "killed" in result.detail
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_has_left_the_session_dies_too(tmp_path: Path) -> None:
    keep = "echo $$ > {}; exec sleep 100 > /dev/null 2>&1"
    scripts = {
        "session": f"setsid sh -c '{keep.format(tmp_path / 'session')}' &",
        "orphan": f"(setsid sh -c '{keep.format(tmp_path / 'orphan')}' &) &",
        "bare": f"env -i setsid sh -c '{keep.format(tmp_path / 'bare')}' &",
    }
    script = "\n".join([*scripts.values(), "exec sleep 100"])
    bystander = subprocess.Popen(["sleep", "100"], start_new_session=True)

    def pids() -> list[int]:
        texts = [file.read_text() for name in scripts if (file := tmp_path / name).exists()]
        return [int(text) for text in texts if text.endswith("\n")]

    async def run() -> None:
        async with acting(
            CommandDispatcher, commands={"x": ["sh", "-c", script]}, timeout=60
        ) as door:
            task = asyncio.create_task(dispatch(door, action()))
            await until(lambda: len(pids()) == 3)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: not any(map(_alive, pids())))

    try:
        asyncio.run(run())
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_output_without_end_is_bounded() -> None:
    (result,) = act(
        CommandDispatcher, action(), commands={"x": ["yes"]}, timeout=0.5, max_output=100
    )
    assert not result.ok
    (result,) = act(
        CommandDispatcher,
        action(),
        commands={"x": ["sh", "-c", "head -c 5000000 /dev/zero | tr '\\0' x"]},
        max_output=100,
        timeout=30,
    )
    assert result.ok
    assert len(result.detail) < 150


def test_a_command_runs_once_at_a_time_and_few_wait(tmp_path: Path) -> None:
    script = f"mkdir {tmp_path}/lock && sleep 0.1 && rmdir {tmp_path}/lock"

    async def run() -> None:
        async with acting(
            CommandDispatcher, commands={"x": ["sh", "-c", script]}, pending=3, timeout=30
        ) as door:
            results = await asyncio.gather(*(dispatch(door, action()) for _ in range(8)))
        assert sum(result.ok for result in results) == 4
        assert sum("too many" in result.detail for result in results) == 4

    asyncio.run(run())


def test_what_is_cancelled_is_killed(tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/pid; exec sleep 100"

    async def run() -> None:
        async with acting(
            CommandDispatcher, commands={"x": ["sh", "-c", script]}, timeout=60
        ) as door:
            task = asyncio.create_task(dispatch(door, action()))
            pid = tmp_path / "pid"
            await until(lambda: pid.exists() and pid.read_text().strip())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: not _alive(int(pid.read_text())))

    asyncio.run(run())


def test_commands_see_few_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_PASSWORD", "hidden")
    (result,) = act(
        CommandDispatcher, action(), commands={"x": ["env"]}, environment={"DOOR": "front"}
    )
    assert "DOOR=front" in result.detail
    assert "hidden" not in result.detail
    assert os.environ["MQTT_PASSWORD"] == "hidden"
