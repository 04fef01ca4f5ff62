-- The last statement of a transaction that writes events. The lock is held until the commit is
-- visible, so ids come in the order of commits and a reader that has seen one has seen all below.
create function append_job_events(p_events jsonb) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(hashtext('aetherflow.job_events'));
    insert into job_events (department_id, job_id, dataset_id, kind, status, progress, step, message)
        select e.department_id, e.job_id, e.dataset_id, e.kind, e.status, e.progress, e.step,
               e.message
        from rows from (
            jsonb_to_recordset(p_events)
                as (department_id uuid, job_id uuid, dataset_id uuid, kind text, status text,
                    progress integer, step text, message text)
        ) with ordinality as e (department_id, job_id, dataset_id, kind, status, progress, step,
                                message, ordinality)
        order by e.ordinality;
end $$;

-- A dataset and its upload follow the jobs that change them. This is the only place that says how.
create function dataset_follows_job() returns trigger language plpgsql as $$
declare
    target text;
    running text := case new.job_type when 'validation' then 'validating' else 'processing' end;
    wanted text;
begin
    if new.dataset_id is null or new.job_type not in ('validation', 'etl') then
        return null;
    end if;
    target := case new.status
        when 'processing' then running
        when 'succeeded' then case new.job_type when 'validation' then 'validated' else 'completed' end
        when 'failed' then 'failed'
        when 'cancelled' then 'before'
    end;
    -- A job that waits again after a lost lease leaves the dataset where it was.
    if target is null then
        return null;
    end if;
    begin
        update datasets d
            set status = case
                when target <> 'before' then target
                when d.s3_key_processed is not null then 'completed'
                when d.column_names is not null then 'validated'
                else 'uploaded'
            end,
            validation_errors = case
                when target = 'failed' then jsonb_build_array(jsonb_build_object(
                    'code', new.error_code, 'message', new.error_message))
                when target = 'validating' then null
                else d.validation_errors
            end
            where d.id = new.dataset_id and d.department_id = new.department_id
              and (d.status <> target or target = 'failed')
              -- What was cancelled before it began, or beside another job, has nothing to undo.
              and (target <> 'before' or d.status = running);
    exception when unique_violation or sqlstate 'AF409' then
        -- A job that can't be claimed would be tried for ever, before all others. So a claim leaves
        -- the dataset as it is, and only what would publish something wrong is refused.
        if new.status = 'succeeded' then
            raise exception using errcode = 'AF409',
                message = 'The dataset changed, or the department has the same file by now.';
        end if;
    end;
    if new.job_type = 'validation' then
        wanted := case target
            when 'validating' then 'processing'
            when 'validated' then 'completed'
            when 'failed' then 'failed'
            else 'uploaded'
        end;
        update uploads u
            set status = wanted
            where u.dataset_id = new.dataset_id and u.department_id = new.department_id
              and u.status <> wanted
              and (u.status = 'processing'
                   or wanted <> 'uploaded' and u.status in ('uploaded', 'failed'));
    end if;
    return null;
end $$;

create trigger dataset_follows_job after update of status on jobs
    for each row when (old.status is distinct from new.status)
    execute function dataset_follows_job();

-- Takes the next job: the most urgent first, then that of the department with the fewest running
-- (under its limit), then the oldest. Claims are serialised, so the limits are exact.
create function claim_job(p_worker text, p_lease interval, p_types text[])
returns table (id uuid, department_id uuid, dataset_id uuid, job_type text, created_by uuid,
               params jsonb, attempt integer, max_attempts integer, lease_token bigint)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    chosen uuid;
begin
    perform pg_advisory_xact_lock(hashtext('aetherflow.claim'));
    select j.id into chosen
        from (
            select d.id, d.max_running_jobs,
                   (select count(*) from jobs r
                    where r.department_id = d.id and r.status = 'processing') as running
            from departments d
        ) d
        cross join lateral (
            select j.id, j.priority, j.created_at from jobs j
            where j.department_id = d.id and j.status = 'queued'
              and j.available_at <= clock_timestamp() and j.job_type = any (p_types)
            order by j.priority desc, j.created_at, j.id
            limit 1
            for no key update skip locked
        ) j
        where d.running < d.max_running_jobs
        order by j.priority desc, d.running, j.created_at, j.id
        limit 1;
    if chosen is null then
        return;
    end if;
    return query
        update jobs j
            set status = 'processing', attempts = j.attempts + 1, lease_token = j.lease_token + 1,
                leased_by = p_worker, lease_expires_at = clock_timestamp() + p_lease,
                heartbeat_at = clock_timestamp(), progress = 0, current_step = null,
                started_at = coalesce(j.started_at, clock_timestamp()),
                error_code = null, error_message = null, error_traceback = null
            where j.id = chosen
            returning j.id, j.department_id, j.dataset_id, j.job_type, j.created_by, j.params,
                      j.attempts, j.max_attempts, j.lease_token;
    insert into job_attempts (department_id, job_id, attempt, lease_token, worker)
        select j.department_id, j.id, j.attempts, j.lease_token, p_worker
        from jobs j where j.id = chosen;
    perform append_job_events(jsonb_build_array(jsonb_build_object(
            'department_id', j.department_id, 'job_id', j.id, 'dataset_id', j.dataset_id,
            'kind', 'status', 'status', 'processing', 'progress', 0,
            'message', format('Attempt %s of %s began.', j.attempts, j.max_attempts))))
        from jobs j where j.id = chosen;
end $$;

-- Takes back jobs whose lease ran out: their token goes up, so that whoever held it can write
-- nothing any more. While the server is younger than one lease, nobody could have renewed.
create function sweep_jobs(p_lease interval)
returns table (id uuid, department_id uuid, status text)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    taken jsonb;
begin
    if clock_timestamp() < pg_postmaster_start_time() + p_lease
       or not pg_try_advisory_xact_lock(hashtext('aetherflow.sweep')) then
        return;
    end if;
    with lost as (
        select j.id, j.lease_token as old_token from jobs j
        where j.status = 'processing' and j.lease_expires_at < clock_timestamp()
        order by j.lease_expires_at limit 500
        for no key update skip locked
    ), swept as (
        update jobs j
            set status = case when j.cancel_requested_at is not null then 'cancelled'
                              when j.attempts >= j.max_attempts then 'failed'
                              else 'queued' end,
                lease_token = j.lease_token + 1, lease_expires_at = null, leased_by = null,
                current_step = null, available_at = clock_timestamp(),
                completed_at = case when j.cancel_requested_at is not null
                                      or j.attempts >= j.max_attempts
                                    then clock_timestamp() end,
                error_code = case when j.cancel_requested_at is null
                                   and j.attempts >= j.max_attempts then 'LEASE_LOST' end,
                error_message = case when j.cancel_requested_at is null
                                      and j.attempts >= j.max_attempts
                    then format('The worker stopped answering in each of %s attempts.', j.attempts)
                    end
            from lost where j.id = lost.id
            returning j.*, lost.old_token
    ), ended as (
        update job_attempts a set ended_at = clock_timestamp(), outcome = 'lost',
                error_code = 'LEASE_LOST', error_message = 'The worker stopped answering.'
            from swept s where a.job_id = s.id and a.lease_token = s.old_token
            returning a.id
    )
    select jsonb_agg(jsonb_build_object(
               'department_id', s.department_id, 'job_id', s.id, 'dataset_id', s.dataset_id,
               'kind', 'status', 'status', s.status, 'progress', s.progress,
               'message', coalesce(s.error_message, 'The worker stopped answering.')))
        into taken from swept s, (select count(*) from ended) e;
    if taken is null then
        return;
    end if;
    perform append_job_events(taken);
    return query
        select (e ->> 'job_id')::uuid, (e ->> 'department_id')::uuid, e ->> 'status'
        from jsonb_array_elements(taken) e;
end $$;

-- Uploads to look at. Open ones whose bytes may all be there although nobody said so; those whose
-- time is up; and those that are over, whose presigned requests could have sent bytes again until
-- they expired. What a failed validation may still be tried again from is kept as raw files are.
create function sweep_uploads(p_limit integer)
returns table (id uuid, department_id uuid, owner_id uuid, state text)
language sql stable security definer set search_path = public, pg_temp as $$
    (select u.id, u.department_id, u.owner_id,
            case when u.expires_at <= now() then 'expired' else 'open' end
        from uploads u
        where u.status = 'uploading'
          and (u.expires_at <= now() or u.updated_at < now() - interval '1 minute')
        order by u.expires_at limit p_limit)
    union all
    (select u.id, u.department_id, u.owner_id, 'leftover'
        from uploads u
        where u.is_temporary and u.status <> 'uploading'
          and (u.status in ('completed', 'aborted', 'expired') and u.expires_at <= now()
               or u.status = 'failed' and u.expires_at <= now() - interval '90 days')
        order by u.expires_at limit p_limit)
$$;

-- Datasets whose objects have outlived their keeping: raw files after 90 days, all of a deleted
-- dataset after 30.
create function sweep_datasets(p_limit integer)
returns table (id uuid, department_id uuid, s3_key_raw text, purge boolean)
language sql stable security definer set search_path = public, pg_temp as $$
    (select d.id, d.department_id, d.s3_key_raw, true from datasets d
        where d.deleted_at < now() - interval '30 days' order by d.deleted_at limit p_limit)
    union all
    (select d.id, d.department_id, d.s3_key_raw, false from datasets d
        where d.deleted_at is null and d.s3_key_raw is not null
          and d.uploaded_at < now() - interval '90 days'
        limit p_limit)
$$;

-- Removes a deleted dataset and, by cascade, its children; nothing else can.
create function purge_dataset(p_id uuid) returns boolean
language sql volatile security definer set search_path = public, pg_temp as $$
    with gone as (
        delete from datasets
        where id = p_id and deleted_at < now() - interval '30 days' returning id
    )
    select exists (select from gone)
$$;

-- Notes that a raw file outlived its keeping and is gone.
create function forget_raw(p_id uuid) returns boolean
language sql volatile security definer set search_path = public, pg_temp as $$
    with forgotten as (
        update datasets set s3_key_raw = null
        where id = p_id and uploaded_at < now() - interval '90 days' returning id
    )
    select exists (select from forgotten)
$$;

-- Deletes records past their time, a batch at a call: events after 90 days, idempotency keys after
-- 30, sessions 30 days after they ended.
create function sweep_records(p_limit integer) returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
    with events as (
        delete from job_events where id in (
            select id from job_events where created_at < now() - interval '90 days'
            order by created_at limit p_limit) returning 1
    ), keys as (
        delete from idempotency_keys where id in (
            select id from idempotency_keys where created_at < now() - interval '30 days'
            limit p_limit) returning 1
    ), ended as (
        delete from sessions where id in (
            select id from sessions where expires_at < now() - interval '30 days'
            limit p_limit) returning 1
    )
    select (select count(*) from events) + (select count(*) from keys)
         + (select count(*) from ended)
$$;

grant create on schema public to aetherflow_definer;
alter function claim_job(text, interval, text[]) owner to aetherflow_definer;
alter function sweep_jobs(interval) owner to aetherflow_definer;
alter function sweep_uploads(integer) owner to aetherflow_definer;
alter function sweep_datasets(integer) owner to aetherflow_definer;
alter function sweep_records(integer) owner to aetherflow_definer;
alter function purge_dataset(uuid) owner to aetherflow_definer;
alter function forget_raw(uuid) owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on all functions in schema public from public;
grant execute on function dataset_follows_job(), append_job_events(jsonb)
    to aetherflow_app, aetherflow_definer, aetherflow_owner;
grant execute on function
    claim_job(text, interval, text[]), sweep_jobs(interval), sweep_uploads(integer),
    sweep_datasets(integer), sweep_records(integer), purge_dataset(uuid),
    forget_raw(uuid)
    to aetherflow_app;
