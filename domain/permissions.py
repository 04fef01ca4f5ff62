"""What may be done. Which role may do what is data: see the tables and the README's matrix."""

from __future__ import annotations

from enum import StrEnum


class Permission(StrEnum):
    """One thing that can be allowed, as ``area:verb``."""

    DATASET_READ = "dataset:read"
    DATASET_WRITE = "dataset:write"
    DATASET_DELETE = "dataset:delete"
    WORKSPACE_WRITE = "workspace:write"
    WORKSPACE_MANAGE = "workspace:manage"
    JOB_READ = "job:read"
    JOB_START = "job:start"
    JOB_CANCEL = "job:cancel"
    JOB_OPERATE = "job:operate"
    RESULT_READ = "result:read"
    USER_READ = "user:read"
    USER_WRITE = "user:write"
    ROLE_ASSIGN = "role:assign"
    DEPARTMENT_WRITE = "department:write"
    AUDIT_READ = "audit:read"
