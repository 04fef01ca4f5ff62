create table departments (
    id uuid default uuidv7() not null,
    code text not null
        constraint departments_code_length_check check (char_length(code) <= 50),
    name text not null
        constraint departments_name_length_check check (char_length(name) <= 255),
    description text,
    parent_id uuid,
    manager_id uuid,
    max_running_jobs integer default 4 not null,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint departments_pkey primary key (id),
    constraint departments_code_key unique (code),
    constraint departments_code_form_check check (code ~ '^[a-z][a-z0-9_-]*$'),
    constraint departments_not_its_own_parent_check check (parent_id <> id),
    constraint departments_max_running_jobs_check check (max_running_jobs >= 1),
    constraint departments_parent_id_fkey
        foreign key(parent_id) references departments (id) on delete restrict
);
create index departments_manager_id_idx on departments (manager_id);
create index departments_name_idx on departments (name);
create unique index departments_one_root_idx on departments ((true)) where parent_id is null;
create index departments_parent_id_idx on departments (parent_id);

create table users (
    id uuid default uuidv7() not null,
    email text not null
        constraint users_email_length_check check (char_length(email) <= 255),
    password_hash text
        constraint users_password_hash_length_check check (char_length(password_hash) <= 255),
    full_name text not null
        constraint users_full_name_length_check check (char_length(full_name) <= 255),
    is_active boolean default true not null,
    is_verified boolean default false not null,
    last_login_at timestamptz,
    failed_login_count integer default 0 not null,
    locked_until timestamptz,
    password_changed_at timestamptz,
    deleted_at timestamptz,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint users_pkey primary key (id),
    constraint users_email_key unique (email),
    constraint users_email_lower_check check (email = lower(email)),
    constraint users_failed_login_count_check check (failed_login_count >= 0)
);
create index users_created_at_id_idx on users (created_at desc, id desc);
create index users_is_active_idx on users (is_active) where is_active;

create table user_identities (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    issuer text not null
        constraint user_identities_issuer_length_check check (char_length(issuer) <= 255),
    subject text not null
        constraint user_identities_subject_length_check check (char_length(subject) <= 255),
    created_at timestamptz default now() not null,
    constraint user_identities_pkey primary key (id),
    constraint user_identities_issuer_subject_key unique (issuer, subject),
    constraint user_identities_user_id_fkey
        foreign key(user_id) references users (id) on delete cascade
);
create index user_identities_user_id_idx on user_identities (user_id);

create table roles (
    id uuid default uuidv7() not null,
    name text not null
        constraint roles_name_length_check check (char_length(name) <= 100),
    description text,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint roles_pkey primary key (id),
    constraint roles_name_key unique (name)
);


create table role_permissions (
    id uuid default uuidv7() not null,
    role_id uuid not null,
    permission text not null
        constraint role_permissions_permission_length_check check (char_length(permission) <= 100),
    created_at timestamptz default now() not null,
    constraint role_permissions_pkey primary key (id),
    constraint role_permissions_role_id_permission_key unique (role_id, permission),
    constraint role_permissions_role_id_fkey
        foreign key(role_id) references roles (id) on delete cascade
);
create index role_permissions_permission_idx on role_permissions (permission);

create table user_roles (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    role_id uuid not null,
    assigned_at timestamptz default now() not null,
    assigned_by uuid,
    constraint user_roles_pkey primary key (id),
    constraint user_roles_user_id_role_id_key unique (user_id, role_id),
    constraint user_roles_user_id_fkey foreign key(user_id) references users (id) on delete cascade,
    constraint user_roles_role_id_fkey foreign key(role_id) references roles (id) on delete cascade,
    constraint user_roles_assigned_by_fkey
        foreign key(assigned_by) references users (id) on delete set null
);
create index user_roles_assigned_by_idx on user_roles (assigned_by);
create index user_roles_role_id_idx on user_roles (role_id);

create table user_departments (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    department_id uuid not null,
    assigned_at timestamptz default now() not null,
    assigned_by uuid,
    constraint user_departments_pkey primary key (id),
    constraint user_departments_user_id_department_id_key unique (user_id, department_id),
    constraint user_departments_user_id_fkey
        foreign key(user_id) references users (id) on delete cascade,
    constraint user_departments_department_id_fkey
        foreign key(department_id) references departments (id) on delete cascade,
    constraint user_departments_assigned_by_fkey
        foreign key(assigned_by) references users (id) on delete set null
);
create index user_departments_assigned_by_idx on user_departments (assigned_by);
create index user_departments_department_id_user_id_idx
    on user_departments (department_id, user_id);

create table sessions (
    id uuid default uuidv7() not null,
    user_id uuid not null,
    generation integer default 1 not null,
    expires_at timestamptz not null,
    last_used_at timestamptz default now() not null,
    revoked_at timestamptz,
    revoked_reason text
        constraint sessions_revoked_reason_check check (revoked_reason in (
            'logout', 'reuse', 'password_changed', 'deactivated')),
    user_agent text
        constraint sessions_user_agent_length_check check (char_length(user_agent) <= 500),
    ip_address inet,
    created_at timestamptz default now() not null,
    updated_at timestamptz default now() not null,
    constraint sessions_pkey primary key (id),
    constraint sessions_generation_check check (generation >= 1),
    constraint sessions_revoked_for_a_reason_check
        check ((revoked_at is null) = (revoked_reason is null)),
    constraint sessions_user_id_fkey foreign key(user_id) references users (id) on delete cascade
);
create index sessions_expires_at_idx on sessions (expires_at);
create index sessions_user_id_idx on sessions (user_id);

alter table departments
    add constraint departments_manager_id_fkey
    foreign key (manager_id) references users (id) on delete set null;
