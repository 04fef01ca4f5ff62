"""Jobs, attempts, events, results and idempotency keys, and the doors of the workers."""

from __future__ import annotations

from migrations.support import departmental, run, run_file, secure, touched, transitions

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the tables, their policies, and the functions that claim and sweep."""
    run_file("0003_jobs.sql")
    secure("jobs", "department", "select, insert, update")
    secure("job_datasets", "department", "select, insert")
    secure("job_attempts", "department", "select, insert, update")
    secure("job_events", "department", "select, insert")
    secure("idempotency_keys", "own", "select, insert, update")
    secure("results", "department", "select, insert, update")
    touched("jobs")
    departmental("jobs", "job_datasets", "job_attempts", "job_events", "results")
    transitions(
        "jobs",
        "status",
        {
            "queued": "processing cancelled failed",
            "processing": "queued succeeded failed cancelled",
        },
    )
    run("""
        grant select, update, delete on jobs, job_attempts, job_events, datasets, uploads,
            idempotency_keys, sessions to aetherflow_definer;
        grant insert on job_attempts, job_events to aetherflow_definer;
    """)
    run_file("0003_functions.sql")


def downgrade() -> None:
    """Drops the functions and the tables."""
    run("""
        set local role aetherflow_definer;
        drop function claim_job(text, interval, text[]), sweep_jobs(interval),
            sweep_uploads(integer), sweep_datasets(integer), sweep_records(integer),
            purge_dataset(uuid), forget_raw(uuid);
        reset role;
        revoke select, update, delete on datasets, uploads from aetherflow_definer;
        revoke delete on sessions from aetherflow_definer;
        drop table results, idempotency_keys, job_events, job_attempts, job_datasets, jobs cascade;
        drop function append_job_events(jsonb), dataset_follows_job();
    """)
