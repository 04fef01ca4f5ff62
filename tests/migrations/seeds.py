"""Where the columns and indexes of the five documents that the product comes from live today.

Each document is named by its number. A column's home is ``table.column``; one that is listed under
``AWAITED`` belongs to a part that is not there yet.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Served:
    """An index of a document, and the one index that serves what it was for.

    ``columns`` lead ``index``, a department before them or not.
    """

    name: str
    index: str
    columns: tuple[str, ...]
    unique: bool = False


USERS_EMAIL = ("users_email_key", ("email",), True)
ACTIVE = ("users_is_active_idx", ("is_active",))

INDEXES = (
    # 1
    Served("1 users.email", *USERS_EMAIL),
    Served(
        "1 datasets_dept_created_idx", "datasets_department_id_created_at_id_idx", ("created_at",)
    ),
    Served("1 datasets_uploader_idx", "datasets_uploader_id_idx", ("uploader_id",)),
    Served("1 datasets_status_idx", "datasets_department_id_status_created_at_idx", ("status",)),
    Served(
        "1 jobs_dataset_type_idx",
        "jobs_department_id_dataset_id_job_type_idx",
        ("dataset_id", "job_type"),
    ),
    Served(
        "1 jobs_status_created_idx",
        "jobs_department_id_status_created_at_idx",
        ("status", "created_at"),
    ),
    Served("1 jobs_queue_msg_idx", "jobs_queue_message_id_idx", ("queue_message_id",)),
    Served(
        "1 results_dataset_type_idx",
        "results_department_id_dataset_id_result_type_idx",
        ("dataset_id", "result_type"),
    ),
    Served(
        "1 results_dept_created_idx", "results_department_id_created_at_id_idx", ("created_at",)
    ),
    Served("1 results_payload_gin_idx", "results_payload_gin_idx", ("payload",)),
    # 2
    Served("2 idx_users_email", *USERS_EMAIL),
    Served("2 idx_users_role", "user_roles_role_id_idx", ("role_id",)),
    Served("2 idx_users_is_active", *ACTIVE),
    Served("2 idx_file_uploads_owner_id", "uploads_department_id_owner_id_idx", ("owner_id",)),
    Served(
        "2 idx_file_uploads_file_hash",
        "uploads_department_id_file_hash_sha256_idx",
        ("file_hash_sha256",),
    ),
    Served("2 idx_file_uploads_expires_at", "uploads_expires_at_idx", ("expires_at",)),
    Served("2 idx_file_uploads_status", "uploads_department_id_status_idx", ("status",)),
    Served(
        "2 idx_file_processing_jobs_file_id", "jobs_dataset_id_created_at_id_idx", ("dataset_id",)
    ),
    Served(
        "2 idx_file_processing_jobs_status",
        "jobs_department_id_status_created_at_idx",
        ("status",),
    ),
    # 3
    Served("3 users.idx_email", *USERS_EMAIL),
    Served(
        "3 users.idx_oauth_id",
        "user_identities_issuer_subject_key",
        ("issuer", "subject"),
        unique=True,
    ),
    Served("3 users.idx_is_active", *ACTIVE),
    Served("3 roles.idx_name", "roles_name_key", ("name",), unique=True),
    Served("3 departments.idx_name", "departments_name_idx", ("name",)),
    Served("3 departments.idx_parent_id", "departments_parent_id_idx", ("parent_id",)),
    Served("3 departments.idx_manager_id", "departments_manager_id_idx", ("manager_id",)),
    Served(
        "3 user_roles.unique",
        "user_roles_user_id_role_id_key",
        ("user_id", "role_id"),
        unique=True,
    ),
    Served("3 user_roles.idx_user_id", "user_roles_user_id_role_id_key", ("user_id",)),
    Served("3 user_roles.idx_role_id", "user_roles_role_id_idx", ("role_id",)),
    Served(
        "3 user_departments.unique",
        "user_departments_user_id_department_id_key",
        ("user_id", "department_id"),
        unique=True,
    ),
    Served(
        "3 user_departments.idx_user_id",
        "user_departments_user_id_department_id_key",
        ("user_id",),
    ),
    Served(
        "3 user_departments.idx_dept_id",
        "user_departments_department_id_user_id_idx",
        ("department_id",),
    ),
    Served(
        "3 role_permissions.unique",
        "role_permissions_role_id_permission_key",
        ("role_id", "permission"),
        unique=True,
    ),
    Served(
        "3 role_permissions.idx_role_id", "role_permissions_role_id_permission_key", ("role_id",)
    ),
    Served("3 role_permissions.idx_permission", "role_permissions_permission_idx", ("permission",)),
    Served("3 audit_logs.idx_table_name", "audit_logs_table_name_record_id_idx", ("table_name",)),
    Served("3 audit_logs.idx_operation", "audit_logs_operation_created_at_idx", ("operation",)),
    Served("3 audit_logs.idx_user_id", "audit_logs_user_id_created_at_id_idx", ("user_id",)),
    Served("3 audit_logs.idx_created_at", "audit_logs_created_at_id_idx", ("created_at",)),
    # 4
    Served("4 users.email", *USERS_EMAIL),
    Served("4 workspaces.owner_id", "workspaces_owner_id_idx", ("owner_id",)),
    Served("4 datasets.workspace_id", "datasets_workspace_id_created_at_id_idx", ("workspace_id",)),
    Served("4 datasets.uploaded_by", "datasets_uploader_id_idx", ("uploader_id",)),
    Served("4 datasets.status", "datasets_department_id_status_created_at_idx", ("status",)),
    # 5
    Served("5 idx_users_email", *USERS_EMAIL),
    Served("5 idx_users_active", *ACTIVE),
    Served("5 idx_datasets_user_id", "datasets_department_id_uploader_id_idx", ("uploader_id",)),
    Served("5 idx_datasets_status", "datasets_department_id_status_created_at_idx", ("status",)),
    Served(
        "5 idx_datasets_hash",
        "datasets_department_id_file_hash_sha256_idx",
        ("file_hash_sha256",),
    ),
    Served(
        "5 datasets.unique(user_id, file_hash_sha256)",
        "datasets_department_id_file_hash_sha256_idx",
        ("file_hash_sha256",),
        unique=True,
    ),
    Served("5 idx_jobs_status", "jobs_department_id_status_created_at_idx", ("status",)),
    Served("5 idx_jobs_user", "jobs_created_by_idx", ("created_by",)),
    Served("5 idx_jobs_heartbeat", "jobs_lease_expires_at_idx", ("lease_expires_at",)),
)


def same(*names: str) -> dict[str, str]:
    """Columns that kept their names."""
    return {name: name for name in names}


TIMES = same("created_at", "updated_at")

COLUMNS: dict[str, tuple[str, dict[str, str]]] = {
    "1 users": (
        "users",
        {
            **same("id", "email", "password_hash", "is_active"),
            "role": "roles.name",
            "department": "user_departments.department_id",
            **TIMES,
        },
    ),
    "1 datasets": (
        "datasets",
        {
            **same("id", "name", "description", "uploader_id", "file_type", "s3_bucket"),
            **same("file_size_bytes", "row_count", "status"),
            "department": "department_id",
            "s3_key": "s3_key_raw",
            **TIMES,
        },
    ),
    "1 jobs": (
        "jobs",
        {
            **same("id", "dataset_id", "job_type", "status", "queue_message_id", "attempts"),
            **same("max_attempts", "error_message", "error_traceback", "started_at"),
            **same("completed_at"),
            **TIMES,
        },
    ),
    "1 results": (
        "results",
        {
            **same("id", "dataset_id", "result_type", "payload", "metadata", "created_at"),
            "department": "department_id",
        },
    ),
    "2 users": (
        "users",
        {
            **same("id", "email", "full_name", "is_active", "is_verified"),
            "hashed_password": "password_hash",
            "role": "roles.name",
            **TIMES,
        },
    ),
    "2 file_uploads": (
        "uploads",
        {
            **same("id", "file_type", "status", "upload_progress", "total_chunks"),
            **same("uploaded_chunks", "metadata", "is_temporary", "expires_at", "owner_id"),
            "filename": "file_name",
            "file_path": "s3_key",
            "file_size": "file_size_bytes",
            "mime_type": "content_type",
            "file_hash": "file_hash_sha256",
            **TIMES,
        },
    ),
    "2 file_processing_jobs": (
        "jobs",
        {
            **same("id", "job_type", "status", "progress", "result_data", "error_message"),
            **same("created_at", "completed_at"),
            "file_id": "dataset_id",
            "output_file_id": "output_file",
        },
    ),
    "3 users": (
        "users",
        {
            **same("id", "email", "is_active"),
            "name": "full_name",
            "oauth_provider": "user_identities.issuer",
            "oauth_id": "user_identities.subject",
            "last_login": "last_login_at",
            **TIMES,
        },
    ),
    "3 roles": ("roles", {**same("id", "name", "description"), **TIMES}),
    "3 departments": (
        "departments",
        {**same("id", "name", "parent_id", "description", "manager_id"), **TIMES},
    ),
    "3 user_roles": (
        "user_roles",
        same("id", "user_id", "role_id", "assigned_at", "assigned_by"),
    ),
    "3 user_departments": (
        "user_departments",
        {**same("id", "user_id", "assigned_at"), "dept_id": "department_id"},
    ),
    "3 role_permissions": (
        "role_permissions",
        same("id", "role_id", "permission", "created_at"),
    ),
    "3 audit_logs": (
        "audit_logs",
        {
            **same("id", "table_name", "operation", "record_id", "user_id", "old_values"),
            **same("new_values", "change_reason", "ip_address", "created_at"),
        },
    ),
    "4 users": (
        "users",
        {**same("id", "email", "password_hash", "full_name", "is_active"), **TIMES},
    ),
    "4 workspaces": ("workspaces", {**same("id", "name", "owner_id"), **TIMES}),
    "4 datasets": (
        "datasets",
        {
            **same("id", "name", "row_count", "column_count", "status", "workspace_id"),
            **same("uploaded_at"),
            "file_path": "s3_key_raw",
            "file_size": "file_size_bytes",
            "uploaded_by": "uploader_id",
            **TIMES,
        },
    ),
    "5 users": (
        "users",
        {
            **same("id", "email", "password_hash", "full_name", "is_active", "last_login_at"),
            **same("failed_login_count", "locked_until", "password_changed_at", "deleted_at"),
            "is_superuser": "user_roles.role_id",
            **TIMES,
        },
    ),
    "5 datasets": (
        "datasets",
        {
            **same("id", "name", "description", "s3_bucket", "s3_key_raw", "s3_key_processed"),
            **same("file_size_bytes", "file_hash_sha256", "content_type", "column_names"),
            **same("status", "validation_errors", "deleted_at"),
            "user_id": "uploader_id",
            "num_rows": "row_count",
            "num_columns": "column_count",
            **TIMES,
        },
    ),
    # What trains has a table of its own; that it runs is told by its job.
    "5 training_jobs": (
        "jobs",
        {
            **same("status", "current_step", "started_at", "completed_at", "heartbeat_at"),
            **same("priority", "error_message", "error_traceback", "created_at", "updated_at"),
            "user_id": "created_by",
            "progress_percentage": "progress",
            "celery_task_id": "queue_message_id",
        },
    ),
}

AWAITED = {"2 file_uploads.pipeline_id": "pipelines.dataset_id"}
"""An upload belongs to a dataset, and a pipeline names the dataset that it reads."""
