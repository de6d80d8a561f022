"""Any course of updates, restarts, cuts of the power and ways back, against a small model."""

import io

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from update_kit import key

from edgeflow._native.updates import SECTOR_BYTES, NativeUpdates
from edgeflow.devices.updates.signing import sign_image
from edgeflow.devices.virtual.csi_image import BOARD, CHIP, make_firmware, read_firmware

SLOT = 3 * SECTOR_BYTES
SIZE = 4096
MOST_WRITES = 1200
"""More than an update of this size has: words, sectors, note and record."""


class Courses(RuleBasedStateMachine):
    """What runs, whether it is on trial, and what may run after the next start."""

    def __init__(self) -> None:
        super().__init__()
        self.data = bytearray(b"\xff" * 2 * SECTOR_BYTES)
        self.slots = [bytearray(b"\xff" * SLOT) for _ in range(2)]
        first = make_firmware("1.0.0", size=SIZE)
        self.slots[0][: len(first)] = first
        self.updates = NativeUpdates(memoryview(self.data), [memoryview(s) for s in self.slots])
        self.made = 1
        self.counters = {"1.0.0": 0}
        self.running, self.before = "", "1.0.0"
        self.trial = self.selected = False

    def start(self) -> str:
        self.updates.power_on()
        slot = self.updates.start()
        assert slot is not None, "nothing boots"
        found = read_firmware(bytes(self.slots[slot]))
        assert found is not None
        self.updates.set_rules(
            chip=CHIP, board=BOARD, version=found.version, public_key=key().public, unsigned=False
        )
        return found.version

    @initialize()
    def switch_on(self) -> None:
        self.running = self.start()
        assert self.running == "1.0.0"

    def push(self, counter: int) -> tuple[str, str]:
        self.made += 1
        version = f"{self.made}.0.0"
        self.counters[version] = counter
        image = make_firmware(version, size=SIZE)
        stream = io.BytesIO(sign_image(image, key(), counter=counter)[0])
        _, word = self.updates.receive(len(stream.getbuffer()), stream.read)
        return version, word

    @rule(counter=st.integers(0, 3))
    def update(self, counter: int) -> None:
        selected = self.selected
        version, word = self.push(counter)
        if selected:
            assert word == "busy"
        elif self.trial:
            assert word == "not_confirmed"
        elif counter < self.counters[self.running]:
            assert word == "downgrade"
        else:
            assert word == ""
            self.before, self.running, self.selected = self.running, version, True

    @precondition(lambda self: not self.selected)
    @rule(after=st.integers(0, MOST_WRITES), manner=st.sampled_from(["before", "half", "garbage"]))
    def update_with_a_cut(self, after: int, manner: str) -> None:
        self.updates.cut_power(after, manner)
        version, _ = self.push(3)
        old, was_trial = self.running, self.trial
        found = self.start()
        assert found in ({self.before} if was_trial else {old, version})
        if was_trial:
            self.running, self.before, self.trial = found, "", False
            return
        self.trial = found == version
        untouched = after == 0 and manner == "before"
        self.before = old if found == version else self.before if untouched else ""
        self.running = found

    @rule()
    def restart(self) -> None:
        if self.trial:
            self.running, self.before = self.before, ""
        assert self.start() == self.running
        self.trial, self.selected = self.selected, False

    @precondition(lambda self: self.trial)
    @rule()
    def keep(self) -> None:
        assert self.updates.keep()
        self.trial = False

    @precondition(lambda self: not self.selected)
    @rule()
    def go_back(self) -> None:
        _, refused = self.updates.may_go_back()
        if not self.updates.give_up():
            assert refused == "nothing_before"
            assert not self.trial, "what is on trial can always go back"
            return
        assert self.before
        older = self.counters[self.before] < self.counters[self.running]
        assert refused == ("downgrade" if older else "")
        self.running, self.before, self.trial = self.before, "", False
        assert self.start() == self.running


TestCourses = Courses.TestCase
TestCourses.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
