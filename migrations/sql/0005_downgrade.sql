-- A dataset and its upload follow the jobs that change them. This is the only place that says how.
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

-- Takes back jobs whose lease ran out: their token goes up, so that whoever held it can write
-- nothing any more. While the server is younger than one lease, nobody could have renewed.
create or replace function sweep_jobs(p_lease interval)
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
               or u.status = 'failed' and u.expires_at <= now() - interval '90 days')
        order by u.expires_at limit p_limit)
$$;
