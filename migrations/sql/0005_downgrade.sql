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
