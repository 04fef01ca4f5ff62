"""What a database has, as its own catalog tells it, in a form that two can be compared in."""

from __future__ import annotations

from typing import Any

COLUMNS = """
    select c.relname || '.' || a.attname as name,
           format_type(a.atttypid, a.atttypmod)
           || case when a.attnotnull then ' not null' else '' end
           || case a.attidentity when '' then '' else ' identity ' || a.attidentity::text end
           || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') as definition
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and c.relname <> 'alembic_version' and a.attnum > 0 and not a.attisdropped
"""
CONSTRAINTS = """
    select conrelid::regclass || '.' || conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint
    where connamespace = 'public'::regnamespace and conrelid <> 0
      and conrelid::regclass::text <> 'alembic_version'
      -- The columns above show what must not be null.
      and contype <> 'n'
"""
INDEXES = """
    select indexname as name, indexdef as definition
    from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'
"""
FUNCTIONS = """
    select p.oid::regprocedure::text as name,
           pg_get_functiondef(p.oid) || ' owner ' || p.proowner::regrole
           || ' acl ' || coalesce(p.proacl::text, '') as definition
    from pg_proc p where p.pronamespace = 'public'::regnamespace
"""
TRIGGERS = """
    select tgrelid::regclass || '.' || tgname as name, pg_get_triggerdef(oid) as definition
    from pg_trigger where not tgisinternal
"""
POLICIES = """
    select tablename || '.' || policyname as name,
           concat_ws(' ', cmd, roles::text, qual, 'check', with_check) as definition
    from pg_policies where schemaname = 'public'
"""
GRANTS = """
    select c.relname as name,
           concat_ws(' ', c.relowner::regrole, c.relacl::text, c.relrowsecurity,
                     c.relforcerowsecurity,
                     (select string_agg(a.attname || a.attacl::text, ' ' order by a.attnum)
                      from pg_attribute a where a.attrelid = c.oid)) as definition
    from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
      and c.relname <> 'alembic_version'
"""


async def described(connection: Any, query: str) -> dict[str, str]:
    """Names with their definitions, as one of the queries above gives them."""
    return {row.name: row.definition for row in await connection.fetch(query)}


async def everything(connection: Any) -> dict[str, dict[str, str]]:
    """All that migrations make."""
    kinds = {
        "columns": COLUMNS,
        "constraints": CONSTRAINTS,
        "indexes": INDEXES,
        "functions": FUNCTIONS,
        "triggers": TRIGGERS,
        "policies": POLICIES,
        "grants": GRANTS,
    }
    return {kind: await described(connection, query) for kind, query in kinds.items()}
