-- What many callers may see and do, each in a row, for whoever keeps streams open on their behalf.
-- It opens the scope of each, so there is one truth about that, and takes back what that has set.
-- A caller that is refused has the refusal's code and message in place of a scope.
create function standings(p_users uuid[], p_sessions uuid[], p_narrows text[],
                          p_tokens uuid[], p_hashes text[])
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
            if p_tokens[number] is null then
                perform begin_scope(p_users[number], p_sessions[number], p_narrows[number]);
            else
                perform begin_token_scope(
                    p_users[number], p_tokens[number], p_hashes[number], p_narrows[number]);
            end if;
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
            set_config('app.permissions', '', true), set_config('app.api_token_id', '', true);
end $$;

revoke execute on function standings(uuid[], uuid[], text[], uuid[], text[]) from public;
grant execute on function standings(uuid[], uuid[], text[], uuid[], text[]) to aetherflow_app;
