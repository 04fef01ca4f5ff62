"""What can be set from outside, all of it by environment variables that start with AETHERFLOW_."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MiB = 1024 * 1024
GiB = 1024 * MiB


class OidcProvider(BaseModel):
    """An OpenID Connect provider whose people may sign in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,49}$")
    """Stands in addresses; the page shows ``title``."""
    title: str | None = None
    issuer: str
    client_id: str
    client_secret: SecretStr | None = None
    """None for a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    provision_department: str | None = None
    """The code of the department in which somebody who has no account gets one; None refuses."""
    provision_role: str = "viewer"


class Settings(BaseSettings):
    """Settings of one process; the README's table is made from the same names.

    Credentials of S3 come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, as for any S3 client.
    """

    model_config = SettingsConfigDict(env_prefix="AETHERFLOW_", frozen=True, extra="ignore")

    environment: Literal["development", "production"] = "production"

    database_url: SecretStr
    """The database as the role aetherflow_app, which owns nothing."""
    owner_database_url: SecretStr | None = None
    """The database as its owner, for migrations alone."""
    database_pool_size: int = Field(default=10, ge=1)
    database_max_overflow: int = Field(default=20, ge=0)
    database_recycle_seconds: int = Field(default=3600, ge=1)
    database_statement_seconds: float = Field(default=30, gt=0)

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")

    s3_endpoint_url: str | None = None
    s3_public_url: str | None = None
    """The address that presigned requests are signed for, where clients see another host."""
    s3_bucket: str = "aetherflow"
    s3_region: str = "us-east-1"

    secret_key: SecretStr
    """Signs tokens; at least 32 characters."""
    access_token_minutes: int = Field(default=15, ge=1)
    refresh_token_days: int = Field(default=30, ge=1)

    upload_expiry_hours: int = Field(default=24, ge=1)
    upload_max_bytes: int = Field(default=50 * GiB, ge=1)
    upload_single_bytes: int = Field(default=100 * MiB, ge=1)
    """Up to here an upload is one PUT; above it is a multipart upload."""
    upload_part_bytes: int = Field(default=64 * MiB, ge=5 * MiB)
    download_url_seconds: int = Field(default=300, ge=1, le=7 * 24 * 3600)

    page_limit: int = Field(default=100, ge=1)
    """The most rows that one page of a connection may hold."""

    operation_rows: int = Field(default=10_000, ge=1)
    """The most rows that the lists of one operation may give, each counted where it stands."""

    sockets_per_user: int = Field(default=100, ge=1)
    """How many sockets and event streams one account may hold open, and one address without any."""
    subscriptions_per_user: int = Field(default=1000, ge=1)
    """How many subscriptions one account may hold open, on all its sockets together."""
    execution: Literal["columns", "fields"] = "columns"
    """How operations are executed: by columns, or field by field as graphql-core does by itself."""

    lease_seconds: float = Field(default=15, gt=0)
    lease_renew_seconds: float = Field(default=5, gt=0)
    worker_concurrency: int = Field(default=2, ge=1)
    child_memory_bytes: int = Field(default=2 * GiB, ge=64 * MiB)
    child_seconds: int = Field(default=3600, ge=1)
    child_disk_bytes: int = Field(default=100 * GiB, ge=MiB)

    allowed_origins: tuple[str, ...] = ()

    metrics_token: SecretStr | None = None
    """What Prometheus shows to read ``/metrics``; without it there are none."""
    metrics_address: str | None = Field(default=None, pattern=r"^\S+:\d{1,5}$")
    """Where a worker serves its metrics, as ``host:port``; the API serves them beside the graph."""
    public_url: str | None = None
    """The address at which browsers reach this API, without a path; identity providers need it."""
    oidc_providers: tuple[OidcProvider, ...] = ()

    smtp_url: SecretStr | None = None
    """The mail server: smtps://, smtp:// with STARTTLS, or smtp-plain:// on the same machine."""
    mail_folder: Path | None = None
    """Where letters are written instead, for development."""
    mail_from: str = "AetherFlow <aetherflow@localhost>"

    @model_validator(mode="after")
    def _providers_that_can_answer(self) -> Self:
        if not self.oidc_providers:
            return self
        if self.public_url is None:
            message = "AETHERFLOW_PUBLIC_URL is needed for AETHERFLOW_OIDC_PROVIDERS"
            raise ValueError(message)
        names = [provider.name for provider in self.oidc_providers]
        if len(set(names)) < len(names):
            message = "AETHERFLOW_OIDC_PROVIDERS has two providers of one name"
            raise ValueError(message)
        addresses = [self.public_url, *(provider.issuer for provider in self.oidc_providers)]
        if self.environment == "production" and any(
            not address.startswith("https://") for address in addresses
        ):
            message = "in production AETHERFLOW_PUBLIC_URL and every issuer begin with https://"
            raise ValueError(message)
        return self

    @field_validator("public_url")
    @classmethod
    def _bare_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
            message = "AETHERFLOW_PUBLIC_URL is an address such as https://flow.example"
            raise ValueError(message)
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("smtp_url")
    @classmethod
    def _known_mail(cls, value: SecretStr | None) -> SecretStr | None:
        schemes = ("smtps", "smtp", "smtp-plain")
        if value is not None and urlsplit(value.get_secret_value()).scheme not in schemes:
            message = f"AETHERFLOW_SMTP_URL begins with one of {', '.join(schemes)}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _databases_over_tls(self) -> Self:
        if self.environment == "production":
            for name in ("database_url", "owner_database_url"):
                url: SecretStr | None = getattr(self, name)
                if url is not None:
                    over_tls = SecretStr(verified(url.get_secret_value()))
                    object.__setattr__(self, name, over_tls)
        return self

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:  # noqa: PLR2004 (256 bits, as RFC 7518 3.2 asks)
            message = "AETHERFLOW_SECRET_KEY needs at least 32 characters"
            raise ValueError(message)
        return value


def verified(url: str) -> str:
    """Asks for TLS with a verified certificate and host, where an address says nothing of TLS."""
    parts = urlsplit(url)
    if "sslmode" in parse_qs(parts.query):
        return url
    query = f"{parts.query}&sslmode=verify-full" if parts.query else "sslmode=verify-full"
    return parts._replace(query=query).geturl()
