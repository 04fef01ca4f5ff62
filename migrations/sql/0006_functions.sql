-- What many callers may see and do, each in a row, for whoever keeps streams open on their behalf.
-- It asks begin_scope for each, so there is one truth about that, and takes back what that has set.
-- A caller that is refused has the refusal's code and message in place of a scope.
create function standings(p_users uuid[], p_sessions uuid[], p_narrows text[])
returns table (place integer, departments uuid[], permissions text[], code text, message text)
language plpgsql volatile as $$
begin
    for number in 1 .. coalesce(array_length(p_users, 1), 0) loop
        place := number;
        departments := null;
        permissions := null;
        code := null;
        message := null;
        begin
            perform begin_scope(p_users[number], p_sessions[number], p_narrows[number]);
            departments := current_setting('app.department_ids')::uuid[];
            permissions := coalesce(
                string_to_array(nullif(current_setting('app.permissions'), ''), ','), '{}');
        exception when sqlstate 'AF401' or sqlstate 'AF404' then
            code := sqlstate;
            message := sqlerrm;
        end;
        return next;
    end loop;
    perform set_config('app.user_id', '', true), set_config('app.department_ids', '', true),
            set_config('app.permissions', '', true);
end $$;

revoke execute on function standings(uuid[], uuid[], text[]) from public;
grant execute on function standings(uuid[], uuid[], text[]) to aetherflow_app;
