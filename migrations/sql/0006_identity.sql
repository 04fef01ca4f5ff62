create table api_tokens (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    name text not null
        constraint api_tokens_name_length_check check (char_length(name) <= 255),
    token_hash text not null
        constraint api_tokens_token_hash_length_check check (char_length(token_hash) <= 64),
    permissions text[] not null,
    department_ids uuid[] not null,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint api_tokens_pkey primary key (id),
    constraint api_tokens_token_hash_key unique (token_hash),
    constraint api_tokens_permissions_given_check check (cardinality(permissions) > 0),
    constraint api_tokens_department_ids_given_check check (cardinality(department_ids) > 0),
    constraint api_tokens_user_id_fkey foreign key(user_id) references users (id) on delete cascade
);
create index api_tokens_user_id_idx on api_tokens (user_id);

create table one_time_codes (
    id uuid default uuidv7() not null,
    purpose text not null
        constraint one_time_codes_purpose_check check (purpose in (
            'reset_password', 'verify_email', 'sign_in', 'link')),
    code_hash text not null
        constraint one_time_codes_code_hash_length_check check (char_length(code_hash) <= 64),
    user_id uuid,
    issuer text
        constraint one_time_codes_issuer_length_check check (char_length(issuer) <= 255),
    subject text
        constraint one_time_codes_subject_length_check check (char_length(subject) <= 255),
    email text
        constraint one_time_codes_email_length_check check (char_length(email) <= 255),
    full_name text
        constraint one_time_codes_full_name_length_check check (char_length(full_name) <= 255),
    challenge text
        constraint one_time_codes_challenge_length_check check (char_length(challenge) <= 64),
    expires_at timestamptz not null,
    used_at timestamptz,
    created_at timestamptz default now() not null,
    constraint one_time_codes_pkey primary key (id),
    constraint one_time_codes_code_hash_key unique (code_hash),
    constraint one_time_codes_user_id_fkey
        foreign key(user_id) references users (id) on delete cascade
);
create index one_time_codes_expires_at_idx on one_time_codes (expires_at);
create index one_time_codes_user_id_idx on one_time_codes (user_id);

-- Counts are worth no write-ahead log, and so an attempt at an account that there is waits for the
-- disk no longer than one at an account that there is not.
create unlogged table login_attempts (
    id uuid default uuidv7() not null,
    subject text not null
        constraint login_attempts_subject_length_check check (char_length(subject) <= 64),
    attempts integer not null,
    window_ends_at timestamptz not null,
    constraint login_attempts_pkey primary key (id),
    constraint login_attempts_subject_key unique (subject)
);
create index login_attempts_window_ends_at_idx on login_attempts (window_ends_at);

alter table sessions
    drop constraint sessions_revoked_reason_check,
    add constraint sessions_revoked_reason_check check (revoked_reason in (
        'logout', 'reuse', 'password_changed', 'deactivated', 'password_reset', 'revoked'));
