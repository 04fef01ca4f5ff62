create table workspaces (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    name text not null
        constraint workspaces_name_length_check check (char_length(name) <= 255),
    description text,
    owner_id uuid not null,
    is_default boolean default false not null,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint workspaces_pkey primary key (id),
    constraint workspaces_department_id_fkey
        foreign key(department_id)
        references departments (id) on delete restrict,
    constraint workspaces_id_department_id_key unique (id, department_id),
    constraint workspaces_name_given_check check (name <> ''),
    constraint workspaces_owner_id_fkey
        foreign key(owner_id)
        references users (id) on delete restrict
);
create index workspaces_department_id_created_at_id_idx
    on workspaces (department_id, created_at desc, id desc) where deleted_at is null;
create unique index workspaces_department_id_idx on workspaces (department_id) where is_default;
create index workspaces_department_id_name_id_idx
    on workspaces (department_id, name, id) where deleted_at is null;
create index workspaces_owner_id_idx on workspaces (owner_id);

create table datasets (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    workspace_id uuid not null,
    uploader_id uuid not null,
    name text not null
        constraint datasets_name_length_check check (char_length(name) <= 255),
    description text,
    file_type text not null
        constraint datasets_file_type_check check (file_type in (
            'csv', 'tsv', 'json', 'jsonl', 'xml', 'excel', 'parquet')),
    content_type text not null
        constraint datasets_content_type_length_check check (char_length(content_type) <= 255),
    s3_bucket text not null
        constraint datasets_s3_bucket_length_check check (char_length(s3_bucket) <= 100),
    s3_key_raw text
        constraint datasets_s3_key_raw_length_check check (char_length(s3_key_raw) <= 500),
    s3_key_processed text
        constraint datasets_s3_key_processed_length_check check (
            char_length(s3_key_processed) <= 500),
    s3_key_rejects text
        constraint datasets_s3_key_rejects_length_check check (char_length(s3_key_rejects) <= 500),
    file_size_bytes bigint not null,
    file_hash_sha256 text
        constraint datasets_file_hash_sha256_length_check check (
            char_length(file_hash_sha256) <= 64),
    row_count bigint,
    column_count integer,
    column_names text[],
    status text default 'uploading' not null
        constraint datasets_status_check check (status in (
            'uploading', 'uploaded', 'validating', 'validated', 'processing', 'completed', 'failed')),
    validation_errors jsonb,
    uploaded_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint datasets_pkey primary key (id),
    constraint datasets_department_id_fkey
        foreign key(department_id)
        references departments (id) on delete restrict,
    constraint datasets_workspace_id_department_id_fkey
        foreign key(workspace_id, department_id)
        references workspaces (id, department_id) on delete restrict,
    constraint datasets_id_department_id_key unique (id, department_id),
    constraint datasets_name_given_check check (name <> ''),
    constraint datasets_file_size_bytes_check check (file_size_bytes > 0),
    constraint datasets_file_hash_sha256_form_check check (file_hash_sha256 ~ '^[0-9a-f]{64}$'),
    constraint datasets_row_count_check check (row_count >= 0),
    constraint datasets_column_count_check check (column_count >= 0),
    constraint datasets_uploader_id_fkey
        foreign key(uploader_id)
        references users (id) on delete restrict
);
create index datasets_created_at_id_idx
    on datasets (created_at desc, id desc) where deleted_at is null;
create index datasets_deleted_at_idx on datasets (deleted_at) where deleted_at is not null;
create index datasets_department_id_created_at_id_idx
    on datasets (department_id, created_at desc, id desc) where deleted_at is null;
create unique index datasets_department_id_file_hash_sha256_idx
    on datasets (department_id, file_hash_sha256) where deleted_at is null and status <> 'failed';
create index datasets_department_id_name_id_idx
    on datasets (department_id, name, id) where deleted_at is null;
create index datasets_department_id_status_created_at_idx
    on datasets (department_id, status, created_at desc, id desc) where deleted_at is null;
create index datasets_department_id_uploader_id_idx
    on datasets (department_id, uploader_id) where deleted_at is null;
create index datasets_uploader_id_idx on datasets (uploader_id);
create index datasets_workspace_id_created_at_id_idx
    on datasets (workspace_id, created_at desc, id desc);

create table uploads (
    id uuid default uuidv7() not null,
    department_id uuid not null,
    dataset_id uuid not null,
    owner_id uuid not null,
    file_name text not null
        constraint uploads_file_name_length_check check (char_length(file_name) <= 255),
    s3_key text not null
        constraint uploads_s3_key_length_check check (char_length(s3_key) <= 500),
    s3_multipart_id text
        constraint uploads_s3_multipart_id_length_check check (
            char_length(s3_multipart_id) <= 2000),
    file_type text not null
        constraint uploads_file_type_check check (file_type in (
            'csv', 'tsv', 'json', 'jsonl', 'xml', 'excel', 'parquet')),
    content_type text not null
        constraint uploads_content_type_length_check check (char_length(content_type) <= 255),
    file_size_bytes bigint not null,
    file_hash_sha256 text
        constraint uploads_file_hash_sha256_length_check check (
            char_length(file_hash_sha256) <= 64),
    status text default 'uploading' not null
        constraint uploads_status_check check (status in (
            'uploading', 'uploaded', 'processing', 'completed', 'failed', 'aborted', 'expired')),
    upload_progress integer default 0 not null,
    part_size_bytes bigint not null,
    total_chunks integer default 1 not null,
    uploaded_chunks integer default 0 not null,
    metadata jsonb,
    is_temporary boolean default true not null,
    expires_at timestamptz not null,
    completed_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint uploads_pkey primary key (id),
    constraint uploads_department_id_fkey
        foreign key(department_id)
        references departments (id) on delete restrict,
    constraint uploads_dataset_id_department_id_fkey
        foreign key(dataset_id, department_id)
        references datasets (id, department_id) on delete cascade,
    constraint uploads_file_size_bytes_check check (file_size_bytes > 0),
    constraint uploads_part_size_bytes_check check (part_size_bytes > 0),
    constraint uploads_file_hash_sha256_form_check check (file_hash_sha256 ~ '^[0-9a-f]{64}$'),
    constraint uploads_upload_progress_check check (upload_progress between 0 and 100),
    constraint uploads_total_chunks_check check (total_chunks between 1 and 10000),
    constraint uploads_uploaded_chunks_check check (uploaded_chunks between 0 and total_chunks),
    constraint uploads_owner_id_fkey foreign key(owner_id) references users (id) on delete restrict
);
create index uploads_dataset_id_created_at_id_idx on uploads (dataset_id, created_at desc, id desc);
create index uploads_department_id_created_at_id_idx
    on uploads (department_id, created_at desc, id desc) where deleted_at is null;
create index uploads_department_id_file_hash_sha256_idx
    on uploads (department_id, file_hash_sha256);
create index uploads_department_id_owner_id_idx on uploads (department_id, owner_id);
create index uploads_department_id_status_idx on uploads (department_id, status);
create index uploads_expires_at_idx on uploads (expires_at) where status = 'uploading';
create index uploads_leftover_idx
    on uploads (expires_at) where is_temporary and status <> 'uploading';
create index uploads_owner_id_idx on uploads (owner_id);

-- Every department has a default workspace from its first moment, and who made the one owns the
-- other. Departments that a migration seeds get theirs with the first accounts: before those,
-- nobody could own it.
create function make_default_workspace() returns trigger language plpgsql as $$
declare
    maker uuid := nullif(current_setting('app.user_id', true), '')::uuid;
begin
    if maker is not null then
        insert into workspaces (department_id, name, owner_id, is_default)
            values (new.id, new.name, maker, true);
    end if;
    return null;
end $$;
revoke execute on function make_default_workspace() from public;
create trigger make_default_workspace after insert on departments
    for each row execute function make_default_workspace();
