from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from domain.settings import OidcProvider, Settings

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


def provider(name: str = "one", issuer: str = "https://issuer.example") -> OidcProvider:
    return OidcProvider(name=name, issuer=issuer, client_id="client")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"oidc_providers": (provider(),)}, "AETHERFLOW_PUBLIC_URL is needed"),
        (
            {"oidc_providers": (provider(), provider()), "public_url": "https://flow.example"},
            "two providers of one name",
        ),
        (
            {"oidc_providers": (provider(),), "public_url": "http://flow.example"},
            "begin with https://",
        ),
        (
            {
                "oidc_providers": (provider(issuer="http://issuer.example"),),
                "public_url": "https://flow.example",
            },
            "begin with https://",
        ),
        ({"public_url": "flow.example"}, "is an address such as"),
        ({"public_url": "https://flow.example/path"}, "is an address such as"),
        ({"smtp_url": SecretStr("http://mail.example")}, "begins with one of"),
    ],
)
def test_refuses_what_could_not_work_or_would_not_be_safe(
    values: dict[str, object], told: str
) -> None:
    with pytest.raises(ValidationError, match=told):
        Settings(database_url=SecretStr(URL), secret_key=SECRET, **values)  # type: ignore[arg-type] # any of them


def test_reads_providers_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AETHERFLOW_PUBLIC_URL", "https://flow.example/")
    monkeypatch.setenv(
        "AETHERFLOW_OIDC_PROVIDERS",
        '[{"name": "google", "issuer": "https://accounts.google.com", "client_id": "c",'
        ' "client_secret": "a client\'s secret"}]',
    )
    settings = Settings(database_url=SecretStr(URL), secret_key=SECRET)
    (found,) = settings.oidc_providers
    assert (found.name, settings.public_url) == ("google", "https://flow.example")
    assert found.client_secret
    assert "a client's secret" not in repr(settings)
