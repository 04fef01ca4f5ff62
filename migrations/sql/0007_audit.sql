create table audit_logs (
    id uuid default uuidv7() not null,
    department_id uuid,
    table_name text not null
        constraint audit_logs_table_name_length_check check (char_length(table_name) <= 100),
    operation text not null
        constraint audit_logs_operation_check check (operation in ('INSERT', 'UPDATE', 'DELETE')),
    record_id text not null
        constraint audit_logs_record_id_length_check check (char_length(record_id) <= 100),
    user_id uuid,
    api_token_id uuid,
    old_values jsonb,
    new_values jsonb,
    change_reason text
        constraint audit_logs_change_reason_length_check check (char_length(change_reason) <= 100),
    ip_address inet,
    request_id text
        constraint audit_logs_request_id_length_check check (char_length(request_id) <= 100),
    database_role text not null
        constraint audit_logs_database_role_length_check check (char_length(database_role) <= 63),
    created_at timestamptz default now() not null,
    constraint audit_logs_pkey primary key (id, created_at)
) partition by range (created_at);
create index audit_logs_created_at_id_idx on audit_logs (created_at desc, id desc);
create index audit_logs_department_id_created_at_id_idx
    on audit_logs (department_id, created_at desc, id desc);
create index audit_logs_operation_created_at_idx on audit_logs (operation, created_at desc);
create index audit_logs_table_name_record_id_idx on audit_logs (table_name, record_id);
create index audit_logs_user_id_created_at_id_idx
    on audit_logs (user_id, created_at desc, id desc);

-- The partitions are out of the way of whoever looks at the tables; nobody is granted one.
create schema partitions authorization aetherflow_definer;

-- Writes what changed of a row, in the transaction that changed it. The first argument is the
-- table's name (a partition's trigger would tell its own), the others are columns that are never
-- written: secrets, and what changes without anything having been done.
create function audit_change() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
declare
    left_out text[] := tg_argv[1:] || array['updated_at'];
    before jsonb;
    after jsonb;
    subject jsonb;
begin
    if tg_op <> 'INSERT' then
        before := to_jsonb(old) - left_out;
    end if;
    if tg_op <> 'DELETE' then
        after := to_jsonb(new) - left_out;
    end if;
    if before = after then
        return null;
    end if;
    subject := coalesce(after, before);
    if tg_op = 'UPDATE' then
        select jsonb_object_agg(b.key, b.value), jsonb_object_agg(a.key, a.value)
            into before, after
            from jsonb_each(before) b join jsonb_each(after) a on a.key = b.key
            where a.value is distinct from b.value;
    end if;
    insert into audit_logs (department_id, table_name, operation, record_id, user_id, api_token_id,
                            old_values, new_values, change_reason, ip_address, request_id,
                            database_role)
        values (
            case tg_argv[0] when 'departments' then (subject ->> 'id')::uuid
                            else (subject ->> 'department_id')::uuid end,
            tg_argv[0], tg_op, subject ->> 'id',
            nullif(current_setting('app.user_id', true), '')::uuid,
            nullif(current_setting('app.api_token_id', true), '')::uuid,
            before, after,
            nullif(current_setting('app.reason', true), ''),
            nullif(current_setting('app.address', true), '')::inet,
            nullif(current_setting('app.request_id', true), ''),
            session_user);
    return null;
end $$;

create function keep_audit() returns trigger language plpgsql as $$
begin
    raise exception using errcode = 'AF409', message = 'The audit log is only ever added to.';
end $$;

create trigger keep_audit before update or delete on audit_logs
    for each row execute function keep_audit();
create trigger keep_audit_whole before truncate on audit_logs
    for each statement execute function keep_audit();

-- Makes the partitions of this year and the next one where they are missing, and tells how many.
-- The time of a year's end is that of UTC, whoever calls.
create function make_audit_partitions() returns integer language plpgsql volatile security definer
set search_path = public, pg_temp as $$
declare
    this_year integer := extract(year from now() at time zone 'UTC');
    year integer;
    name text;
    made integer := 0;
begin
    perform pg_advisory_xact_lock(hashtext('aetherflow.audit_partitions'));
    foreach year in array array[this_year, this_year + 1] loop
        name := 'audit_logs_' || year;
        if to_regclass('partitions.' || name) is null then
            execute format(
                'create table partitions.%I partition of audit_logs for values from (%L) to (%L)',
                name, year || '-01-01 00:00:00+00', year + 1 || '-01-01 00:00:00+00');
            execute format(
                'create trigger keep_audit_whole before truncate on partitions.%I '
                'for each statement execute function keep_audit()', name);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

grant create on schema public to aetherflow_definer;
alter function audit_change() owner to aetherflow_definer;
alter function make_audit_partitions() owner to aetherflow_definer;
alter table audit_logs owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on function audit_change(), keep_audit(), make_audit_partitions() from public;
grant execute on function keep_audit() to aetherflow_app, aetherflow_definer, aetherflow_owner;
grant execute on function make_audit_partitions() to aetherflow_app, aetherflow_owner;
