"""What the tests of `mediml doctor` share: trials that come out as a test says, and packages in its versions."""

import pytest

from mediml.checkup import gpu, software
from mediml.checkup.findings import FAULT
from mediml.checkup.trials import Attempt


@pytest.fixture
def found():
    """The findings of a probe by name; whatever is a fault says what to do."""

    def by_name(look):
        findings = list(look())
        assert all(finding.fix for finding in findings if finding.state == FAULT)
        assert all(finding.state == FAULT for finding in findings if finding.stops)
        return {finding.name: finding for finding in findings}

    return by_name


@pytest.fixture
def trial(monkeypatch):
    """Let trials come out as the test says: ``trial(driver={...}, cuda=Attempt(failure="..."))``."""

    def come_out(**outcomes):
        def attempt(name, seconds=None):
            outcome = outcomes[name]
            return outcome if isinstance(outcome, Attempt) else Attempt(outcome)

        monkeypatch.setattr(software, "attempt", attempt)
        monkeypatch.setattr(gpu, "attempt", attempt)

    return come_out


@pytest.fixture
def versions(monkeypatch):
    """Let packages be installed in the versions that the test says; None: not installed."""

    def be(**chosen):
        def version_of(name):
            key = name.replace("-", "_")
            return chosen[key] if key in chosen else software_version_of(name)

        monkeypatch.setattr(software, "version_of", version_of)
        monkeypatch.setattr(gpu, "version_of", version_of)

    software_version_of = software.version_of
    return be
