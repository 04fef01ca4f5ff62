alter table jobs add column blames_file boolean default false not null;

-- A dataset and its upload follow the jobs that change them. This is the only place that says how.
-- A job that failed for a reason beside the file leaves the dataset as one that was cancelled does:
-- where the last work that was published had brought it.
create or replace function dataset_follows_job() returns trigger language plpgsql as $$
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
        when 'failed' then case when new.blames_file then 'failed' else 'before' end
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
              -- What ended before it began, or beside another job, has nothing to undo.
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

-- Takes the next jobs, at most p_limit: each the most urgent first, then that of the department
-- with the fewest running (under its limit), then the oldest. Claims are serialised, so the limits
-- are exact; the lock is held until the commit has reached the disk, so a worker with several free
-- places takes them at once.
create function claim_jobs(p_worker text, p_lease interval, p_types text[], p_limit integer)
returns table (id uuid, department_id uuid, dataset_id uuid, job_type text, created_by uuid,
               params jsonb, attempt integer, max_attempts integer, lease_token bigint)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    chosen uuid;
    taken uuid[] := '{}';
begin
    perform pg_advisory_xact_lock(hashtext('aetherflow.claim'));
    while cardinality(taken) < p_limit loop
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
        exit when chosen is null;
        update jobs j
            set status = 'processing', attempts = j.attempts + 1, lease_token = j.lease_token + 1,
                leased_by = p_worker, lease_expires_at = clock_timestamp() + p_lease,
                heartbeat_at = clock_timestamp(), progress = 0, current_step = null,
                started_at = coalesce(j.started_at, clock_timestamp()),
                error_code = null, error_message = null, error_traceback = null
            where j.id = chosen;
        taken := taken || chosen;
    end loop;
    if taken = '{}' then
        return;
    end if;
    insert into job_attempts (department_id, job_id, attempt, lease_token, worker, started_at)
        select j.department_id, j.id, j.attempts, j.lease_token, p_worker, j.heartbeat_at
        from jobs j where j.id = any (taken);
    perform append_job_events(jsonb_agg(jsonb_build_object(
            'department_id', j.department_id, 'job_id', j.id, 'dataset_id', j.dataset_id,
            'kind', 'status', 'status', 'processing', 'progress', 0,
            'message', format('Attempt %s of %s began.', j.attempts, j.max_attempts))
            order by t.place))
        from unnest(taken) with ordinality as t (id, place) join jobs j on j.id = t.id;
    return query
        select j.id, j.department_id, j.dataset_id, j.job_type, j.created_by, j.params,
               j.attempts, j.max_attempts, j.lease_token
        from unnest(taken) with ordinality as t (id, place) join jobs j on j.id = t.id
        order by t.place;
end $$;

-- Takes back jobs whose lease ran out: their token goes up, so that whoever held it can write
-- nothing any more. While the server was down nobody could renew, so leases last longer by that
-- time: from the last sign of life in the tables to the server's start. Where there is none, a
-- whole lease is waited for after the start.
create or replace function sweep_jobs(p_lease interval)
returns table (id uuid, department_id uuid, status text)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    taken jsonb;
    started timestamptz := pg_postmaster_start_time();
    lived timestamptz;
    down interval;
begin
    if not pg_try_advisory_xact_lock(hashtext('aetherflow.sweep')) then
        return;
    end if;
    -- The greatest of nothing and a moment is the moment.
    lived := greatest(
        (select max(created_at) from job_events where created_at < started),
        (select max(heartbeat_at) from jobs where status = 'processing' and heartbeat_at < started)
    );
    if lived is null and clock_timestamp() < started + p_lease then
        return;
    end if;
    down := coalesce(started - lived, interval '0');
    with lost as (
        select j.id, j.lease_token as old_token from jobs j
        where j.status = 'processing' and j.lease_expires_at < clock_timestamp() - down
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

-- How the queue of each department stands, for operators' metrics: numbers and no rows.
create function queue_figures()
returns table (department text, job_type text, waiting bigint, delayed bigint, running bigint,
               stuck bigint, oldest_seconds double precision)
language sql stable security definer set search_path = public, pg_temp as $$
    select d.code, j.job_type,
           count(*) filter (where j.status = 'queued' and j.available_at <= now()),
           count(*) filter (where j.status = 'queued' and j.available_at > now()),
           count(*) filter (where j.status = 'processing'),
           count(*) filter (where j.status = 'processing' and j.lease_expires_at < now()),
           coalesce(extract(epoch from now() - min(j.available_at) filter (
               where j.status = 'queued' and j.available_at <= now())), 0)::double precision
    from (
        -- Each half reads an index of its own, however many jobs have ended.
        select department_id, job_type, status, available_at, lease_expires_at
            from jobs where status = 'queued'
        union all
        select department_id, job_type, status, available_at, lease_expires_at
            from jobs where status = 'processing'
    ) j
    join departments d on d.id = j.department_id
    group by d.code, j.job_type
$$;

grant create on schema public to aetherflow_definer;
alter function claim_jobs(text, interval, text[], integer) owner to aetherflow_definer;
alter function queue_figures() owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on function claim_jobs(text, interval, text[], integer), queue_figures()
    from public;
grant execute on function claim_jobs(text, interval, text[], integer), queue_figures()
    to aetherflow_app;

-- A validation that failed for a reason beside its file leaves the upload uploaded: what was sent is
-- kept as long as what a failed one leaves, so that the job can be retried.
create or replace function sweep_uploads(p_limit integer)
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
               or u.status in ('uploaded', 'failed')
                  and u.expires_at <= now() - interval '90 days')
        order by u.expires_at limit p_limit)
$$;
