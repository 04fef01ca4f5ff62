create function touch_updated_at() returns trigger language plpgsql as $$
begin
    new.updated_at := now();
    return new;
end $$;

create function keep_department() returns trigger language plpgsql as $$
begin
    if new.department_id is distinct from old.department_id then
        raise exception using errcode = 'AF409', message = 'A row never changes its department.';
    end if;
    return new;
end $$;

-- Arguments are the allowed steps, each written 'from>to'. One trigger a table is the one place
-- where a status is kept to its path, for the application and for definer functions alike.
create function keep_transitions() returns trigger language plpgsql as $$
declare
    step text := old.status || '>' || new.status;
    allowed text;
begin
    foreach allowed in array tg_argv loop
        if allowed = step then
            return new;
        end if;
    end loop;
    raise exception using errcode = 'AF409',
        message = format('A status of %s can''t go from %s to %s.',
                         tg_table_name, old.status, new.status);
end $$;

-- A department's new parent lies inside the scope and not below the department itself. Moves are
-- serialised, because two that cross each other would close a ring that neither one sees; and the
-- way up is walked by the definer, because a part of it may have moved out of the caller's sight.
-- Who has no scope is the owner: the policies let nobody else come this far without one.
create function keep_tree() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
declare
    reach uuid[] := nullif(current_setting('app.department_ids', true), '')::uuid[];
begin
    perform pg_advisory_xact_lock(hashtext('aetherflow.departments'));
    if new.parent_id is null then
        if exists (select from departments where parent_id is null and id <> new.id) then
            raise exception using errcode = 'AF409', message = 'Only the root has no parent.';
        end if;
        return new;
    end if;
    if reach is not null and not new.parent_id = any (reach) then
        raise exception using errcode = 'AF404', message = 'There is no such department.';
    end if;
    if exists (
        with recursive above as (
            select id, parent_id from departments where id = new.parent_id
            union
            select d.id, d.parent_id from departments d join above a on d.id = a.parent_id
        )
        select from above where id = new.id
    ) then
        raise exception using errcode = 'AF409',
            message = 'A department can''t be moved below itself.';
    end if;
    return new;
end $$;

-- Checks the account (and the session, where one stands behind the call), then sets who acts,
-- which departments that opens and what it may do, for this transaction alone. The rows are the
-- departments, so that the caller learns their number from the statement's tag.
create function begin_scope(p_user uuid, p_session uuid, p_narrow text)
returns setof uuid language plpgsql volatile security definer
set search_path = public, pg_temp as $$
declare
    reach uuid[];
begin
    perform from users where id = p_user and is_active and deleted_at is null;
    if not found then
        raise exception using errcode = 'AF401', message = 'The account is not active: ask whoever manages it.';
    end if;
    if p_session is not null then
        perform from sessions
            where id = p_session and user_id = p_user
              and revoked_at is null and expires_at > now();
        if not found then
            raise exception using errcode = 'AF401', message = 'The session has ended: sign in again.';
        end if;
    end if;
    with recursive below as (
        select department_id as id from user_departments where user_id = p_user
        union
        select d.id from departments d join below b on d.parent_id = b.id
    )
    select array_agg(id) into reach from below;
    if p_narrow is not null then
        with recursive below as (
            select d.id from departments d
                where d.id = any (reach) and (d.code = p_narrow or d.id::text = p_narrow)
            union
            select d.id from departments d join below b on d.parent_id = b.id
        )
        select array_agg(id) into reach from below;
        if reach is null then
            raise exception using errcode = 'AF404', message = 'There is no such department.';
        end if;
    end if;
    perform set_config('app.user_id', p_user::text, true),
            set_config('app.department_ids', coalesce(reach, '{}')::text, true),
            set_config('app.permissions', coalesce((
                select string_agg(distinct rp.permission, ',')
                from user_roles ur join role_permissions rp on rp.role_id = ur.role_id
                where ur.user_id = p_user), ''), true);
    return query select unnest(reach);
end $$;

-- What signing in needs of an account before anybody is signed in.
create function login_lookup(p_email text)
returns table (id uuid, password_hash text, is_active boolean, locked_until timestamptz,
               failed_login_count integer)
language sql stable security definer set search_path = public, pg_temp as $$
    select u.id, u.password_hash, u.is_active and u.deleted_at is null, u.locked_until,
           u.failed_login_count
    from users u where u.email = p_email
$$;

-- The names behind ids that a visible row carries, whoever they belong to: an uploader stays
-- readable after leaving the department. Nothing but the name goes out.
create function actors(p_ids uuid[])
returns table (id uuid, display_name text)
language sql stable security definer set search_path = public, pg_temp as $$
    select u.id, u.full_name from users u where u.id = any (p_ids)
$$;

-- Whether a user also belongs to departments that the caller does not see; what a role gives
-- would hold there too.
create function belongs_elsewhere(p_user uuid)
returns boolean language sql stable security definer set search_path = public, pg_temp as $$
    select exists (
        select from user_departments
        where user_id = p_user
          and not department_id = any (
              coalesce(nullif(current_setting('app.department_ids', true), ''), '{}')::uuid[])
    )
$$;

-- Sessions are their user's own, so whoever deactivates an account can't reach them. Without this
-- its refresh tokens would work again on the day that the account is activated.
create function end_sessions() returns trigger language plpgsql security definer
set search_path = public, pg_temp as $$
begin
    update sessions set revoked_at = now(), revoked_reason = 'deactivated'
        where user_id = new.id and revoked_at is null;
    return null;
end $$;

grant create on schema public to aetherflow_definer;
alter function keep_tree() owner to aetherflow_definer;
alter function end_sessions() owner to aetherflow_definer;
alter function begin_scope(uuid, uuid, text) owner to aetherflow_definer;
alter function login_lookup(text) owner to aetherflow_definer;
alter function actors(uuid[]) owner to aetherflow_definer;
alter function belongs_elsewhere(uuid) owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on function
    begin_scope(uuid, uuid, text), login_lookup(text), actors(uuid[]), belongs_elsewhere(uuid)
    from public;
grant execute on function
    begin_scope(uuid, uuid, text), login_lookup(text), actors(uuid[]), belongs_elsewhere(uuid)
    to aetherflow_app;
