create table jobs (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    dataset_id uuid,
    created_by uuid not null,
    retry_of_id uuid,
    job_type text not null
        constraint jobs_job_type_check check (job_type in (
            'etl', 'ml_inference', 'validation', 'conversion', 'extraction', 'schema_deduction', 'eda',
            'analysis', 'pipeline', 'training')),
    status text default 'queued' not null
        constraint jobs_status_check check (status in (
            'queued', 'processing', 'succeeded', 'failed', 'cancelled')),
    priority integer default 5 not null,
    params jsonb default '{}' not null,
    queue_message_id text
        constraint jobs_queue_message_id_length_check check (char_length(queue_message_id) <= 255),
    attempts integer default 0 not null,
    max_attempts integer default 3 not null,
    progress integer default 0 not null,
    current_step text
        constraint jobs_current_step_length_check check (char_length(current_step) <= 255),
    lease_token bigint default 0 not null,
    leased_by text
        constraint jobs_leased_by_length_check check (char_length(leased_by) <= 255),
    lease_expires_at timestamptz,
    heartbeat_at timestamptz,
    available_at timestamptz default now() not null,
    cancel_requested_at timestamptz,
    error_code text
        constraint jobs_error_code_length_check check (char_length(error_code) <= 100),
    error_message text,
    error_traceback text,
    result_data jsonb,
    output_file text
        constraint jobs_output_file_length_check check (char_length(output_file) <= 500),
    started_at timestamptz,
    completed_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint jobs_pkey primary key (id),
    constraint jobs_department_id_fkey
        foreign key(department_id)
        references departments (id) on delete restrict,
    constraint jobs_dataset_id_department_id_fkey
        foreign key(dataset_id, department_id)
        references datasets (id, department_id) on delete cascade,
    constraint jobs_id_department_id_key unique (id, department_id),
    constraint jobs_priority_check check (priority between 1 and 10),
    constraint jobs_attempts_check check (attempts >= 0),
    constraint jobs_max_attempts_check check (max_attempts >= 1),
    constraint jobs_progress_check check (progress between 0 and 100),
    constraint jobs_leased_while_processing_check check (
            (status = 'processing') = (lease_expires_at is not null)),
    constraint jobs_completed_when_final_check check (
            (status in ('succeeded', 'failed', 'cancelled')) = (completed_at is not null)),
    constraint jobs_created_by_fkey
        foreign key(created_by)
        references users (id) on delete restrict,
    constraint jobs_retry_of_id_fkey
        foreign key(retry_of_id)
        references jobs (id) on delete set null
);
create index jobs_created_at_id_idx on jobs (created_at desc, id desc) where deleted_at is null;
create index jobs_created_by_idx on jobs (created_by);
create index jobs_dataset_id_created_at_id_idx on jobs (dataset_id, created_at desc, id desc);
create index jobs_department_id_created_at_id_idx
    on jobs (department_id, created_at desc, id desc) where deleted_at is null;
create index jobs_department_id_dataset_id_job_type_idx
    on jobs (department_id, dataset_id, job_type);
create index jobs_department_id_status_created_at_idx
    on jobs (department_id, status, created_at desc, id desc) where deleted_at is null;
create index jobs_lease_expires_at_idx on jobs (lease_expires_at) where status = 'processing';
create unique index jobs_one_active_idx
    on jobs (dataset_id, job_type)
    where status in ('queued', 'processing')
    and job_type in ('validation', 'schema_deduction', 'etl');
create index jobs_queue_message_id_idx on jobs (queue_message_id);
create index jobs_retry_of_id_idx on jobs (retry_of_id);
create index jobs_running_idx on jobs (department_id) where status = 'processing';
create index jobs_waiting_idx
    on jobs (department_id, priority desc, created_at, id) where status = 'queued';

create table job_datasets (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    job_id uuid not null,
    dataset_id uuid not null,
    position integer not null,
    created_at timestamptz default now() not null,
    constraint job_datasets_pkey primary key (id),
    constraint job_datasets_job_id_department_id_fkey
        foreign key(job_id, department_id)
        references jobs (id, department_id) on delete cascade,
    constraint job_datasets_job_id_position_key unique (job_id, position),
    constraint job_datasets_job_id_dataset_id_key unique (job_id, dataset_id),
    constraint job_datasets_dataset_id_fkey
        foreign key(dataset_id)
        references datasets (id) on delete cascade
);
create index job_datasets_dataset_id_idx on job_datasets (dataset_id);
create index job_datasets_department_id_idx on job_datasets (department_id);

create table job_attempts (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    job_id uuid not null,
    attempt integer not null,
    lease_token bigint not null,
    worker text not null
        constraint job_attempts_worker_length_check check (char_length(worker) <= 255),
    started_at timestamptz default now() not null,
    ended_at timestamptz,
    outcome text
        constraint job_attempts_outcome_check check (outcome in (
            'succeeded', 'failed', 'retried', 'lost', 'cancelled', 'handed_back')),
    error_code text
        constraint job_attempts_error_code_length_check check (char_length(error_code) <= 100),
    error_message text,
    created_at timestamptz default now() not null,
    constraint job_attempts_pkey primary key (id),
    constraint job_attempts_job_id_department_id_fkey
        foreign key(job_id, department_id)
        references jobs (id, department_id) on delete cascade,
    constraint job_attempts_job_id_attempt_key unique (job_id, attempt),
    constraint job_attempts_job_id_lease_token_key unique (job_id, lease_token),
    constraint job_attempts_ended_check check ((ended_at is null) = (outcome is null))
);
create index job_attempts_department_id_created_at_id_idx
    on job_attempts (department_id, created_at desc, id desc);

create table job_events (
    id bigint generated always as identity,
    department_id uuid not null,
    job_id uuid not null,
    dataset_id uuid,
    kind text not null
        constraint job_events_kind_check check (kind in (
            'status', 'progress', 'step', 'message')),
    status text
        constraint job_events_status_check check (status in (
            'queued', 'processing', 'succeeded', 'failed', 'cancelled')),
    progress integer,
    step text
        constraint job_events_step_length_check check (char_length(step) <= 255),
    message text,
    created_at timestamptz default now() not null,
    constraint job_events_pkey primary key (id),
    constraint job_events_job_id_department_id_fkey
        foreign key(job_id, department_id)
        references jobs (id, department_id) on delete cascade,
    constraint job_events_progress_check check (progress between 0 and 100)
);
create index job_events_created_at_idx on job_events (created_at);
create index job_events_dataset_id_id_idx on job_events (dataset_id, id);
create index job_events_department_id_id_idx on job_events (department_id, id);
create index job_events_job_id_id_idx on job_events (job_id, id);

create table idempotency_keys (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    key text not null
        constraint idempotency_keys_key_length_check check (char_length(key) <= 200),
    operation text not null
        constraint idempotency_keys_operation_length_check check (char_length(operation) <= 100),
    input_hash text not null
        constraint idempotency_keys_input_hash_length_check check (char_length(input_hash) <= 64),
    object_id uuid,
    created_at timestamptz default now() not null,
    constraint idempotency_keys_pkey primary key (id),
    constraint idempotency_keys_user_id_key_key unique (user_id, key),
    constraint idempotency_keys_user_id_fkey
        foreign key(user_id)
        references users (id) on delete cascade
);
create index idempotency_keys_created_at_idx on idempotency_keys (created_at);

create table results (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    dataset_id uuid not null,
    job_id uuid not null,
    result_type text not null
        constraint results_result_type_length_check check (char_length(result_type) <= 100),
    payload jsonb not null,
    metadata jsonb,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    constraint results_pkey primary key (id),
    constraint results_dataset_id_department_id_fkey
        foreign key(dataset_id, department_id)
        references datasets (id, department_id) on delete cascade,
    constraint results_job_id_department_id_fkey
        foreign key(job_id, department_id)
        references jobs (id, department_id) on delete cascade,
    constraint results_job_id_result_type_key unique (job_id, result_type)
);
create index results_created_at_id_idx
    on results (created_at desc, id desc) where deleted_at is null;
create index results_dataset_id_created_at_id_idx on results (dataset_id, created_at desc, id desc);
create index results_department_id_created_at_id_idx
    on results (department_id, created_at desc, id desc) where deleted_at is null;
create index results_department_id_dataset_id_result_type_idx
    on results (department_id, dataset_id, result_type);
create index results_payload_gin_idx on results using gin (payload);