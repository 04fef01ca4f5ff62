-- Which insight a department asks for: that of the nearest of the three at or above it. Departments
-- above are outside the scope, so nothing but this one word of them goes out, and only of departments
-- that are inside.
create function insight_of_department(p_department uuid)
returns text language sql stable security definer set search_path = public, pg_temp as $$
    with recursive line as (
        select d.id, d.parent_id, d.code, 0 as distance from departments d
            where d.id = p_department
              and d.id = any (
                  coalesce(nullif(current_setting('app.department_ids', true), ''), '{}')::uuid[])
        union all
        select d.id, d.parent_id, d.code, line.distance + 1
            from departments d join line on d.id = line.parent_id
    )
    select code from line where code in ('sales', 'supply', 'finance') order by distance limit 1
$$;

grant create on schema public to aetherflow_definer;
alter function insight_of_department(uuid) owner to aetherflow_definer;
revoke create on schema public from aetherflow_definer;
revoke execute on function insight_of_department(uuid) from public;
grant execute on function insight_of_department(uuid) to aetherflow_app;
