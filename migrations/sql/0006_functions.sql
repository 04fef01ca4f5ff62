-- Opens the scope of an API token: what its user may see and do today, and of that no more than the
-- token names. The rows are the departments, as those of begin_scope.
create function begin_token_scope(p_user uuid, p_token uuid, p_hash text, p_narrow text)
returns setof uuid language plpgsql volatile security definer
set search_path = public, pg_temp as $$
declare
    token api_tokens;
    reach uuid[];
begin
    select * into token from api_tokens
        where id = p_token and user_id = p_user and token_hash = p_hash
          and revoked_at is null and expires_at > now();
    if not found then
        raise exception using errcode = 'AF401',
            message = 'The API token is not valid, has expired or was revoked.';
    end if;
    perform begin_scope(p_user, null, p_narrow);
    with recursive below as (
        select unnest(token.department_ids) as id
        union
        select d.id from departments d join below b on d.parent_id = b.id
    )
    select array_agg(id) into reach from below
        where id = any (current_setting('app.department_ids')::uuid[]);
    if p_narrow is not null and reach is null then
        raise exception using errcode = 'AF404', message = 'There is no such department.';
    end if;
    perform set_config('app.api_token_id', p_token::text, true),
            set_config('app.department_ids', coalesce(reach, '{}')::text, true),
            set_config('app.permissions', coalesce((
                select string_agg(p, ',')
                from unnest(string_to_array(current_setting('app.permissions'), ',')) p
                where p = any (token.permissions)), ''), true);
    return query select unnest(reach);
end $$;

-- Notes that a token was used, to the minute: a busy one would otherwise write with every read.
create function note_token_use(p_token uuid, p_hash text) returns void
language sql volatile security definer set search_path = public, pg_temp as $$
    update api_tokens set last_used_at = now()
        where id = p_token and token_hash = p_hash
          and revoked_at is null and expires_at > now()
          and (last_used_at is null or last_used_at < now() - interval '1 minute')
$$;

-- Takes one attempt of each subject's window, in one order, and tells how long the longest wait is
-- where a subject has none left; null where all have.
create function take_attempts(p_subjects text[], p_limits integer[], p_window interval)
returns interval language plpgsql volatile security definer
set search_path = public, pg_temp as $$
declare
    asked record;
    taken login_attempts;
    wait interval;
begin
    for asked in
        select subject, allowed from unnest(p_subjects, p_limits) as t (subject, allowed)
        order by subject
    loop
        insert into login_attempts as a (subject, attempts, window_ends_at)
            values (asked.subject, 1, clock_timestamp() + p_window)
            on conflict (subject) do update set
                attempts = case when a.window_ends_at <= clock_timestamp() then 1
                                else least(a.attempts, asked.allowed) + 1 end,
                window_ends_at = case when a.window_ends_at <= clock_timestamp()
                                      then excluded.window_ends_at else a.window_ends_at end
            returning * into taken;
        if taken.attempts > asked.allowed then
            wait := greatest(wait, taken.window_ends_at - clock_timestamp());
        end if;
    end loop;
    return wait;
end $$;

-- Gives back what an attempt took that turned out right.
create function return_attempts(p_subjects text[]) returns void
language sql volatile security definer set search_path = public, pg_temp as $$
    update login_attempts set attempts = attempts - 1
        where id in (select id from login_attempts
                     where subject = any (p_subjects) and attempts > 0
                     order by subject for update)
$$;

create function issue_code(
    p_purpose text, p_hash text, p_life interval, p_user uuid, p_issuer text, p_subject text,
    p_email text, p_name text, p_challenge text
) returns void
language sql volatile security definer set search_path = public, pg_temp as $$
    insert into one_time_codes (purpose, code_hash, expires_at, user_id, issuer, subject, email,
                                full_name, challenge)
        values (p_purpose, p_hash, now() + p_life, p_user, p_issuer, p_subject, p_email, p_name,
                p_challenge)
$$;

-- Whether a code would be taken.
create function code_holds(p_purpose text, p_hash text) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select from one_time_codes
        where purpose = p_purpose and code_hash = p_hash
          and used_at is null and expires_at > now()
    )
$$;

-- Takes a code, once. All others for the same purpose of the same account are used up with it.
create function take_code(p_purpose text, p_hash text)
returns table (user_id uuid, issuer text, subject text, email text, full_name text, challenge text)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    taken one_time_codes;
begin
    update one_time_codes c set used_at = now()
        where c.purpose = p_purpose and c.code_hash = p_hash
          and c.used_at is null and c.expires_at > now()
        returning * into taken;
    if not found then
        return;
    end if;
    update one_time_codes c set used_at = now()
        where c.user_id = taken.user_id and c.purpose = p_purpose and c.used_at is null;
    return query select taken.user_id, taken.issuer, taken.subject, taken.email, taken.full_name,
                        taken.challenge;
end $$;

-- The account of an identity provider's subject, before anybody is signed in.
create function identity_lookup(p_issuer text, p_subject text)
returns table (user_id uuid, is_active boolean)
language sql stable security definer set search_path = public, pg_temp as $$
    select u.id, u.is_active and u.deleted_at is null
    from user_identities i join users u on u.id = i.user_id
    where i.issuer = p_issuer and i.subject = p_subject
$$;

-- Makes the account of a subject that nobody has, where the operator's settings say so. An address
-- that an account has already is never taken for the same person.
create function provision_user(
    p_issuer text, p_subject text, p_email text, p_name text, p_department text, p_role text
) returns uuid language plpgsql volatile security definer
set search_path = public, pg_temp as $$
declare
    department uuid;
    bearer uuid;
    made uuid;
begin
    select id into department from departments where code = p_department;
    select id into bearer from roles where name = p_role;
    if department is null or bearer is null then
        raise exception using errcode = 'AF404',
            message = 'The department or role for new accounts does not exist.';
    end if;
    insert into users (email, full_name, is_verified) values (p_email, p_name, true)
        on conflict (email) do nothing returning id into made;
    if made is null then
        raise exception using errcode = 'AF409',
            message = 'An account has this e-mail address already: sign in to it, then link this sign-in.';
    end if;
    insert into user_departments (user_id, department_id) values (made, department);
    insert into user_roles (user_id, role_id) values (made, bearer);
    insert into user_identities (user_id, issuer, subject) values (made, p_issuer, p_subject);
    return made;
end $$;

-- Whether the caller may end somebody's sessions: its own, unless it is a machine, and those of users
-- of whom it sees every department and may write them.
create function governs(p_user uuid) returns boolean
language sql stable security definer set search_path = public, pg_temp as $$
    select p_user = nullif(current_setting('app.user_id', true), '')::uuid
           and coalesce(current_setting('app.api_token_id', true), '') = ''
        or 'user:write' = any (string_to_array(current_setting('app.permissions', true), ','))
           and exists (select from user_departments where user_id = p_user)
           and not belongs_elsewhere(p_user)
$$;

-- The open sessions of users that the caller governs, the newest hundred of each.
create function sessions_of(p_users uuid[])
returns table (id uuid, user_id uuid, user_agent text, ip_address inet, created_at timestamptz,
               last_used_at timestamptz, expires_at timestamptz)
language sql stable security definer set search_path = public, pg_temp as $$
    select s.id, s.user_id, s.user_agent, s.ip_address, s.created_at, s.last_used_at, s.expires_at
    from unnest(p_users) as u (id) cross join lateral (
        select * from sessions s
        where s.user_id = u.id and s.revoked_at is null and s.expires_at > now()
        order by s.created_at desc, s.id desc limit 100
    ) s
    where governs(u.id)
$$;

-- Whose open session this is, where the caller governs that user.
create function session_user_of(p_session uuid) returns uuid
language sql stable security definer set search_path = public, pg_temp as $$
    select user_id from sessions
    where id = p_session and revoked_at is null and expires_at > now() and governs(user_id)
$$;

-- Ends the sessions of a user that the caller governs: one, or all but one.
create function revoke_sessions(p_user uuid, p_session uuid, p_kept uuid) returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
    with ended as (
        update sessions set revoked_at = now(), revoked_reason = 'revoked'
        where user_id = p_user and (p_session is null or id = p_session)
          and id is distinct from p_kept and revoked_at is null and governs(p_user)
        returning 1
    )
    select count(*) from ended
$$;

-- Deletes codes a week after they expired, counts whose window is over, and API tokens a year after
-- they expired.
create function sweep_identity(p_limit integer) returns bigint
language sql volatile security definer set search_path = public, pg_temp as $$
    with codes as (
        delete from one_time_codes where id in (
            select id from one_time_codes where expires_at < now() - interval '7 days'
            limit p_limit) returning 1
    ), counts as (
        delete from login_attempts where id in (
            select id from login_attempts where window_ends_at < now()
            limit p_limit for update skip locked) returning 1
    ), tokens as (
        delete from api_tokens where id in (
            select id from api_tokens where expires_at < now() - interval '365 days'
            limit p_limit) returning 1
    )
    select (select count(*) from codes) + (select count(*) from counts)
         + (select count(*) from tokens)
$$;

grant create on schema public to aetherflow_definer;
alter function begin_token_scope(uuid, uuid, text, text) owner to aetherflow_definer;
alter function note_token_use(uuid, text) owner to aetherflow_definer;
alter function take_attempts(text[], integer[], interval) owner to aetherflow_definer;
alter function return_attempts(text[]) owner to aetherflow_definer;
alter function issue_code(text, text, interval, uuid, text, text, text, text, text)
    owner to aetherflow_definer;
alter function code_holds(text, text) owner to aetherflow_definer;
alter function take_code(text, text) owner to aetherflow_definer;
alter function identity_lookup(text, text) owner to aetherflow_definer;
alter function provision_user(text, text, text, text, text, text) owner to aetherflow_definer;
alter function governs(uuid) owner to aetherflow_definer;
alter function sessions_of(uuid[]) owner to aetherflow_definer;
alter function session_user_of(uuid) owner to aetherflow_definer;
alter function revoke_sessions(uuid, uuid, uuid) owner to aetherflow_definer;
alter function sweep_identity(integer) owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on function
    begin_token_scope(uuid, uuid, text, text), note_token_use(uuid, text),
    take_attempts(text[], integer[], interval), return_attempts(text[]),
    issue_code(text, text, interval, uuid, text, text, text, text, text),
    code_holds(text, text), take_code(text, text), identity_lookup(text, text),
    provision_user(text, text, text, text, text, text), governs(uuid), sessions_of(uuid[]),
    session_user_of(uuid), revoke_sessions(uuid, uuid, uuid), sweep_identity(integer)
    from public;
grant execute on function
    begin_token_scope(uuid, uuid, text, text), note_token_use(uuid, text),
    take_attempts(text[], integer[], interval), return_attempts(text[]),
    issue_code(text, text, interval, uuid, text, text, text, text, text),
    code_holds(text, text), take_code(text, text), identity_lookup(text, text),
    provision_user(text, text, text, text, text, text), governs(uuid), sessions_of(uuid[]),
    session_user_of(uuid), revoke_sessions(uuid, uuid, uuid), sweep_identity(integer)
    to aetherflow_app;
