-- Rows as a department store's platform has them after half a year: one department that brings most
-- of them, several small ones, more of each day than of the one before. The settings
-- population.datasets and population.until say how many, and when the newest was brought.

create function pg_temp.made_id(p_at timestamptz, p_seed text) returns uuid language sql immutable
as $$
    -- A UUID of version 7 whose random part is the seed's hash.
    select (lpad(to_hex((extract(epoch from p_at) * 1000)::bigint), 12, '0')
            || '7' || substr(md5(p_seed), 1, 3)
            || '8' || substr(md5(p_seed), 4, 15))::uuid
$$;

create function pg_temp.chance(p_seed text, p_parts int) returns int language sql immutable
as $$ select abs(hashtext(p_seed)::bigint)::int8 % p_parts $$;

insert into departments (id, code, name, parent_id)
select pg_temp.made_id(now(), made.code), made.code, made.name, parent.id
from (values ('sales-online', 'Online sales', 'sales'), ('sales-returns', 'Returns', 'sales'),
             ('supply-north', 'Northern depots', 'supply'),
             ('supply-south', 'Southern depots', 'supply'),
             ('finance-audit', 'Internal audit', 'finance')) made (code, name, parent)
join departments parent on parent.code = made.parent
on conflict (code) do nothing;

create temp table places on commit drop as
select d.id as department_id, u.id as user_id, share.first, share.last
from (values ('sales', 0, 59), ('sales-online', 60, 71), ('supply', 72, 83), ('finance', 84, 91),
             ('supply-north', 92, 94), ('supply-south', 95, 96), ('finance-audit', 97, 98),
             ('sales-returns', 99, 99)) share (code, first, last)
join departments d on d.code = share.code
join users u on u.email = split_part(share.code, '-', 1) || '@aetherflow.local';

insert into workspaces (department_id, name, owner_id, is_default)
select p.department_id, 'Default', p.user_id, true from places p
where not exists (
    select from workspaces w where w.department_id = p.department_id and w.is_default);

-- What becomes of a dataset: the status that it has, and its three jobs, the oldest first.
create temp table fates on commit drop as
select * from (values
    ('done', 'completed', 1, 'validation', 'succeeded'),
    ('done', 'completed', 2, 'etl', 'succeeded'),
    ('done', 'completed', 3, 'ml_inference', 'succeeded'),
    ('unreadable', 'failed', 1, 'validation', 'failed'),
    ('unreadable', 'failed', 2, 'validation', 'failed'),
    ('unreadable', 'failed', 3, 'validation', 'failed'),
    ('too large', 'failed', 1, 'validation', 'succeeded'),
    ('too large', 'failed', 2, 'etl', 'failed'),
    ('too large', 'failed', 3, 'etl', 'failed'),
    ('not explained', 'completed', 1, 'validation', 'succeeded'),
    ('not explained', 'completed', 2, 'etl', 'succeeded'),
    ('not explained', 'completed', 3, 'ml_inference', 'failed'),
    ('given up', 'completed', 1, 'validation', 'succeeded'),
    ('given up', 'completed', 2, 'etl', 'succeeded'),
    ('given up', 'completed', 3, 'ml_inference', 'cancelled'),
    ('being read', 'validating', 1, 'validation', 'cancelled'),
    ('being read', 'validating', 2, 'validation', 'cancelled'),
    ('being read', 'validating', 3, 'validation', null),
    ('being cleaned', 'processing', 1, 'validation', 'succeeded'),
    ('being cleaned', 'processing', 2, 'etl', 'cancelled'),
    ('being cleaned', 'processing', 3, 'etl', null),
    ('being explained', 'completed', 1, 'validation', 'succeeded'),
    ('being explained', 'completed', 2, 'etl', 'succeeded'),
    ('being explained', 'completed', 3, 'ml_inference', null)
) fate (fate, dataset_status, position, job_type, status);

create temp table brought on commit drop as
select pg_temp.made_id(s.at, 'dataset ' || s.n) as id, s.n, s.at, p.department_id, p.user_id,
       case when s.n > wanted - wanted * 4 / 1000
            then (array['being read', 'being cleaned', 'being explained'])[1 + s.n % 3]
            when s.luck < 10 then 'unreadable'
            when s.luck < 20 then 'too large'
            when s.luck < 26 then 'not explained'
            when s.luck < 30 then 'given up'
            else 'done' end as fate
from (
    select n, wanted, pg_temp.chance('fate ' || n, 1000) as luck,
           pg_temp.chance('place ' || n, 100) as place,
           current_setting('population.until')::timestamptz
               - interval '180 days' * power(1 - n::float8 / wanted, 1.3) as at
    from (select current_setting('population.datasets')::int as wanted), generate_series(1, wanted) n
) s
join places p on s.place between p.first and p.last;

insert into datasets (
    id, department_id, workspace_id, uploader_id, name, description, file_type, content_type,
    s3_bucket, s3_key_raw, file_size_bytes, file_hash_sha256, row_count, column_count, column_names,
    status, validation_errors, uploaded_at, created_at, updated_at)
select b.id, b.department_id, w.id, b.user_id,
       (array['Orders', 'Deliveries', 'Payments', 'Returns', 'Stock'])[1 + b.n % 5]
           || ' of ' || to_char(b.at, 'YYYY-MM-DD') || ', file ' || b.n,
       'What the shops reported that day.', 'csv', 'text/csv', 'aetherflow',
       'datasets/' || b.department_id || '/' || b.id || '/raw/file.csv',
       100000 + pg_temp.chance('size ' || b.n, 9000000),
       encode(sha256(('file ' || b.n)::bytea), 'hex'), 1000 + pg_temp.chance('rows ' || b.n, 90000),
       6, array['id', 'ordered_at', 'product', 'customer', 'quantity', 'price'],
       f.dataset_status,
       case when f.dataset_status = 'failed' then '[{"code": "UNREADABLE", "message": "No."}]'::jsonb
       end,
       b.at, b.at, b.at
from brought b
join workspaces w on w.department_id = b.department_id and w.is_default
join fates f on f.fate = b.fate and f.position = 1
order by b.n;

create temp table work on commit drop as
select pg_temp.made_id(w.at, 'job ' || w.n || ' ' || w.position) as id, w.*
from (
    select b.id as dataset_id, b.department_id, b.user_id, b.n, f.position, f.job_type,
           b.at + make_interval(secs => f.position * 4) as at,
           coalesce(f.status,
                    case when b.n % 5 = 0 then 'processing' else 'queued' end) as status,
           case when f.status = 'failed'
                then 1 + pg_temp.chance('reason ' || b.n, 5) end as reason
    from brought b join fates f using (fate)
) w;

insert into jobs (
    id, department_id, dataset_id, created_by, job_type, status, priority, attempts, progress,
    current_step, leased_by, lease_expires_at, heartbeat_at, error_code, error_message,
    error_traceback, started_at, completed_at, created_at, updated_at)
select w.id, w.department_id, w.dataset_id, w.user_id, w.job_type, w.status,
       1 + pg_temp.chance('priority ' || w.n, 10),
       case when w.status in ('queued', 'cancelled') then 0 else 1 end,
       case w.status when 'succeeded' then 100 when 'processing' then w.n % 90 else 0 end,
       case when w.status = 'processing' then 'Reading the file' end,
       case when w.status = 'processing' then 'worker-' || w.n % 8 end,
       case when w.status = 'processing' then now() + interval '1 day' end,
       case when w.status = 'processing' then w.at end,
       (array['UNREADABLE', 'OUT_OF_MEMORY', 'TIMED_OUT', 'HASH_MISMATCH', 'INTERNAL'])[w.reason],
       (array['The file ends inside a quoted value. Export it again.',
              'The file needs more memory than a job has. Split it into smaller files.',
              'The work took longer than a job has. Split it into smaller files.',
              'The bytes that arrived are not those that were promised. Upload the file again.',
              'This is a fault of ours, and the file is kept. Report it.'])[w.reason],
       case when w.reason = 5
            then repeat('  File "engine.py", line 120, in read' || chr(10), 20) end,
       case when w.status not in ('queued', 'cancelled') then w.at + interval '1 second' end,
       case when w.status in ('succeeded', 'failed', 'cancelled') then w.at + interval '3 seconds'
       end,
       w.at, w.at
from work w order by w.at, w.id;

insert into job_attempts (
    department_id, job_id, attempt, lease_token, worker, started_at, ended_at, outcome, error_code,
    error_message, created_at)
select j.department_id, j.id, 1, 1, 'worker-' || w.n % 8, j.started_at, j.completed_at,
       case when j.status <> 'processing' then j.status end, j.error_code, j.error_message,
       j.started_at
from work w join jobs j using (id)
where j.attempts = 1 order by w.at, w.id;

-- Payloads of a few kilobytes: a summary of six columns, and an insight with six short series.
create temp table payloads on commit drop as
select n, jsonb_build_object(
           'version', 1,
           'rows', jsonb_build_object('read', 1000 + n, 'kept', 990 + n, 'rejected', 10),
           'columns', (
               select jsonb_agg(jsonb_build_object(
                          'name', name, 'source_name', initcap(name), 'type', 'text', 'nulls', n))
               from unnest(array['id', 'ordered_at', 'product', 'customer', 'quantity', 'price']) name),
           'bytes', jsonb_build_object('in', 100000 + n, 'out', 20000 + n),
           'seconds', 0.5 + n / 100.0, 'engine', 'duckdb 1.5.5') as summary,
       jsonb_build_object(
           'version', 1, 'rows', 1000 + n, 'headline', 'Revenue rose by ' || n || ' percent.',
           'series', (
               select jsonb_agg(jsonb_build_object(
                          'name', 'figure ' || s, 'unit', 'GBP', 'rows', 1000 + n,
                          'points', (
                              select jsonb_agg(jsonb_build_array(
                                         (date '2026-01-01' + p)::text, (n * 37 + s * 11 + p) % 500))
                              from generate_series(1, 30) p)))
               from generate_series(1, 6) s)) as insight
from generate_series(0, 63) n;

insert into results (department_id, id, dataset_id, job_id, result_type, payload, created_at)
select w.department_id, pg_temp.made_id(w.at, 'result ' || w.n || ' ' || w.position), w.dataset_id,
       w.id,
       case w.job_type when 'etl' then 'etl_summary' else 'department_insight' end,
       case w.job_type when 'etl' then p.summary else p.insight end,
       w.at + interval '3 seconds'
from work w join payloads p on p.n = w.n % 64
where w.status = 'succeeded' and w.job_type in ('etl', 'ml_inference')
order by w.at, w.id;
