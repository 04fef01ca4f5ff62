from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from domain.settings import Settings

URL = "postgresql://aetherflow_app:x@db.example/aetherflow"
SECRET = SecretStr("a secret of the tests, long enough")


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        (URL, f"{URL}?sslmode=verify-full"),
        (f"{URL}?application_name=a", f"{URL}?application_name=a&sslmode=verify-full"),
        (f"{URL}?sslmode=disable", f"{URL}?sslmode=disable"),
        (f"{URL}?sslmode=require", f"{URL}?sslmode=require"),
    ],
)
def test_asks_the_database_for_verified_tls_in_production(url: str, asked: str) -> None:
    settings = Settings(
        environment="production",
        database_url=SecretStr(url),
        owner_database_url=SecretStr(url),
        secret_key=SECRET,
    )
    assert settings.owner_database_url is not None
    assert settings.database_url.get_secret_value() == asked
    assert settings.owner_database_url.get_secret_value() == asked


def test_leaves_the_address_alone_in_development() -> None:
    settings = Settings(environment="development", database_url=SecretStr(URL), secret_key=SECRET)
    assert settings.database_url.get_secret_value() == URL


def test_refuses_a_short_secret() -> None:
    with pytest.raises(ValidationError):
        Settings(database_url=SecretStr(URL), secret_key=SecretStr("x" * 31))


def test_shows_no_secret_of_its_own() -> None:
    settings = Settings(database_url=SecretStr(URL), secret_key=SECRET)
    assert SECRET.get_secret_value() not in repr(settings)
    assert ":x@" not in repr(settings)
