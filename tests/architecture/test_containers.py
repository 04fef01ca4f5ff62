"""The containers' files are read as their programs would read them; nothing is built here."""

from __future__ import annotations

import importlib.util
import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.settings import Settings
from ops.cli import parser
from ops.servers.postgres import INITDB

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "api", "worker")


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text()
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def ignored(source: str) -> bool:
    """Tells whether .dockerignore keeps a path out of the build; the last rule that fits holds."""
    out = False
    for rule in (ROOT / ".dockerignore").read_text().split():
        if rule.startswith("#"):
            continue
        pattern = rule.removeprefix("!")
        if fnmatch(source, pattern) or source.startswith(f"{pattern}/"):
            out = not rule.startswith("!")
    return out


def test_runs_the_same_parts_as_one_machine_does() -> None:
    assert set(SERVICES) == {"postgres", "redis", "s3", *OURS}
    assert SERVICES["postgres"]["image"].startswith("postgres:18")
    for name in OURS:
        assert SERVICES[name]["build"] == "."


def test_every_server_is_waited_for_until_it_is_well() -> None:
    for service in SERVICES.values():
        for name, wait in service.get("depends_on", {}).items():
            if wait["condition"] == "service_healthy":
                assert SERVICES[name]["healthcheck"]["test"]
            else:
                assert wait["condition"] == "service_completed_successfully"
                assert SERVICES[name]["restart"] == "no"
    assert set(SERVICES["api"]["depends_on"]) == {"migrate", "redis", "s3"}
    assert set(SERVICES["worker"]["depends_on"]) == {"migrate", "redis", "s3"}
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert "healthcheck" in SERVICES["api"]


@pytest.mark.parametrize("name", OURS)
def test_sets_only_what_settings_know(name: str) -> None:
    given = SERVICES[name]["environment"]
    known = {f"AETHERFLOW_{field.upper()}" for field in Settings.model_fields}
    known |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AETHERFLOW_BOOTSTRAP_PASSWORD"}
    assert set(given) <= known
    required = {"AETHERFLOW_DATABASE_URL", "AETHERFLOW_REDIS_URL", "AETHERFLOW_SECRET_KEY"}
    assert required <= set(given)


def test_every_command_is_one_that_the_image_understands() -> None:
    image = json.loads(next(rest for kind, rest in instructions() if kind == "CMD"))
    for command in (SERVICES["api"]["command"], SERVICES["worker"]["command"], image):
        assert command[:3] == ["python", "-m", "ops"]
        assert parser().parse_args(command[3:]).word in {"api", "worker"}
    python, flag, module = SERVICES["migrate"]["command"]
    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)


def test_only_migrations_know_the_owner() -> None:
    knowing = {
        name
        for name, service in SERVICES.items()
        if "AETHERFLOW_OWNER_DATABASE_URL" in service.get("environment", {})
    }
    assert knowing == {"migrate"}


def test_has_no_secret_of_its_own() -> None:
    """Each comes from outside, and a start without it is refused."""
    text = (ROOT / "docker-compose.yml").read_text()
    used = set(re.findall(r"\$\{([A-Z0-9_]+):\?", text))
    names = re.search(r"^#.*for name in (.*?); do", text.replace("\\\n#", ""), re.MULTILINE)
    assert names
    made = set(names[1].split())
    assert used == made
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY", name) and not name.startswith("REDISCLI"):
                assert "${" in value, name


def test_mounts_and_volumes_exist() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_file()
            else:
                assert source in COMPOSE["volumes"]


def test_text_sorts_as_on_one_machine() -> None:
    given = SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"].split()
    assert set(given) == {word for word in INITDB if re.match(r"--(encoding|locale|builtin)", word)}


def test_image_installs_the_lock_and_copies_what_exists() -> None:
    steps = instructions()
    assert (
        "RUN",
        "/opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock",
    ) in steps
    copied = [
        word
        for kind, rest in steps
        if kind == "COPY" and "--from" not in rest
        for word in rest.split()[:-1]
    ]
    for source in copied:
        assert (ROOT / source).exists(), source
        assert not ignored(source), source
    assert {"domain", "graph", "workers", "migrations", "ops"} <= set(copied)
    assert ignored(".env")
    assert ignored(".git")
    assert ignored("web/node_modules")


def test_image_runs_without_rights_and_with_the_sandbox() -> None:
    steps = instructions()
    last = max(number for number, (kind, _) in enumerate(steps) if kind == "FROM")
    final = steps[last:]
    users = [rest for kind, rest in final if kind == "USER"]
    assert users == ["aetherflow"]
    assert any("install" in rest and "bubblewrap" in rest for kind, rest in final if kind == "RUN")
    stages = {rest.split(" AS ")[1] for kind, rest in steps if kind == "FROM" and " AS " in rest}
    used = {match for _, rest in steps for match in re.findall(r"--from=(\w+)", rest)}
    assert used == stages == {"pages", "packages"}
