"""Rules that every table, key and function of the database keeps."""

from __future__ import annotations

from typing import Any

import pytest

from domain.scope import ScopeKind
from tests.factories.tables import MODELS

GUARDED = [t for t, model in MODELS.items() if model.scope_kind is not ScopeKind.SHARED]
DEPARTMENTAL = [
    t
    for t, model in MODELS.items()
    if model.scope_kind is ScopeKind.DEPARTMENT and t != "departments"
]

FREE_KEYS = {
    # The original of a retried job is the caller's own as far as the action that copies it goes.
    "jobs_retry_of_id_fkey",
    # An input may lie in a department below the job's.
    "job_datasets_dataset_id_fkey",
}
"""Foreign keys between rows of departments that don't bind the one's department to the other's."""


async def test_every_table_has_one_scope_kind_and_the_columns_of_it(owner: Any) -> None:
    found = await owner.fetch("""
        select c.relname as name,
               array_agg(a.attname::text) as columns,
               array_agg(a.attname::text) filter (where a.attnotnull) as required
        from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
          and c.relname <> 'alembic_version'
        group by c.relname
    """)
    assert {row.name for row in found} == set(MODELS)
    for row in found:
        model = MODELS[row.name]
        assert isinstance(model.scope_kind, ScopeKind)
        match model.scope_kind:
            case ScopeKind.DEPARTMENT if row.name != "departments":
                assert "department_id" in row.required, row.name
            case ScopeKind.OWN:
                assert "user_id" in row.required, row.name
                assert "department_id" not in row.columns, row.name
            case ScopeKind.PERSON if row.name != "users":
                assert "user_id" in row.required, row.name
            case ScopeKind.OPERATORS:
                assert "department_id" not in row.required, row.name
            case ScopeKind.SHARED:
                assert not {"department_id", "user_id"} & set(row.columns), row.name


@pytest.mark.parametrize("table", MODELS)
async def test_forces_row_security_on_all_that_is_not_shared(owner: Any, table: str) -> None:
    row = await owner.fetchrow(
        "select relrowsecurity as has, relforcerowsecurity as forced from pg_class "
        "where oid = $1::text::regclass",
        table,
    )
    assert (row["has"], row.forced) == ((True, True) if table in GUARDED else (False, False))


@pytest.mark.parametrize("table", GUARDED)
async def test_lets_the_owner_and_the_definer_through_by_policies(owner: Any, table: str) -> None:
    found = await owner.fetch(
        "select roles::text[] as roles from pg_policies where tablename = $1 and qual = 'true' "
        "and with_check = 'true' and cmd = 'ALL'",
        table,
    )
    assert sorted(row.roles for row in found) == [["aetherflow_definer"], ["aetherflow_owner"]]


async def test_nobody_bypasses_row_security(owner: Any) -> None:
    found = await owner.fetch("""
        select rolname as name, rolcanlogin as may_log_in, rolsuper or rolbypassrls as unbound
        from pg_roles where rolname like 'aetherflow%' order by rolname
    """)
    assert [(row.name, row.may_log_in, row.unbound) for row in found] == [
        ("aetherflow_app", True, False),
        ("aetherflow_definer", False, False),
        ("aetherflow_owner", True, False),
    ]


@pytest.mark.parametrize("table", DEPARTMENTAL)
async def test_a_row_never_changes_its_department(owner: Any, table: str) -> None:
    may_change = await owner.fetchval(
        "select has_column_privilege('aetherflow_app', $1, 'department_id', 'update')", table
    )
    trigger = await owner.fetchval(
        "select count(*) from pg_trigger where tgrelid = $1::text::regclass "
        "and tgname = 'keep_department' and tgenabled = 'O'",
        table,
    )
    assert trigger == 1 or not may_change


async def test_a_child_is_of_its_parents_department(owner: Any) -> None:
    found = await owner.fetch("""
        select k.conname as name, k.conrelid::regclass::text as source,
               k.confrelid::regclass::text as target,
               (select array_agg(a.attname::text) from pg_attribute a
                where a.attrelid = k.conrelid and a.attnum = any (k.conkey)) as columns
        from pg_constraint k where k.contype = 'f'
    """)
    assert len(found) > 10
    loose = {
        row.name
        for row in found
        if row.source in DEPARTMENTAL
        and row.target in DEPARTMENTAL
        and "department_id" not in row.columns
    }
    assert loose == FREE_KEYS


async def test_every_foreign_key_says_what_becomes_of_the_row(owner: Any) -> None:
    unsaid = await owner.fetch(
        "select conname from pg_constraint where contype = 'f' and confdeltype = 'a'"
    )
    assert unsaid == []


async def test_every_foreign_key_has_an_index(owner: Any) -> None:
    slow = await owner.fetch("""
        select k.conname from pg_constraint k
        where k.contype = 'f' and not exists (
            select from pg_index i
            where i.indrelid = k.conrelid and i.indpred is null
              -- All columns of the key lead the index, in whatever order.
              and (i.indkey::smallint[])[0:cardinality(k.conkey) - 1] @> k.conkey)
          -- Departments are never deleted, and a scope's own index leads with them.
          and k.confrelid <> 'departments'::regclass
    """)
    # Deleting a parent finds its children by the first column; its department is the same one.
    by_first_column = await owner.fetch("""
        select k.conname from pg_constraint k
        where k.contype = 'f' and exists (
            select from pg_index i
            where i.indrelid = k.conrelid and i.indpred is null and i.indkey[0] = k.conkey[1])
    """)
    assert {row.conname for row in slow} <= {row.conname for row in by_first_column}


async def test_every_table_begins_its_lists_with_the_department(owner: Any) -> None:
    led = await owner.fetch("""
        select distinct i.indrelid::regclass::text as name
        from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where a.attname = 'department_id'
    """)
    assert {row.name for row in led} >= set(DEPARTMENTAL)


async def test_functions_with_rights_of_their_own_are_the_definers_and_safe(owner: Any) -> None:
    found = await owner.fetch("""
        select proname as name, proowner::regrole::text as owner, proconfig as settings,
               prorettype = 'trigger'::regtype as is_trigger,
               has_function_privilege('aetherflow_app', oid, 'execute') as app_may,
               exists (select from aclexplode(proacl) where grantee = 0) as anybody_may
        from pg_proc where pronamespace = 'public'::regnamespace and prosecdef
    """)
    assert {"begin_scope", "login_lookup", "claim_job", "sweep_jobs"} <= {r.name for r in found}
    for row in found:
        assert row.owner == "aetherflow_definer", row.name
        assert row.settings == ["search_path=public, pg_temp"], row.name
        assert not row.anybody_may, row.name
        assert row.app_may is not row.is_trigger, row.name


async def test_nobody_may_run_a_function_by_default(owner: Any) -> None:
    found = await owner.fetch("""
        select proname from pg_proc
        where pronamespace = 'public'::regnamespace
          and (proacl is null or exists (select from aclexplode(proacl) where grantee = 0))
    """)
    assert found == []


async def test_there_is_no_view_that_looks_with_its_owners_eyes(owner: Any) -> None:
    found = await owner.fetch("""
        select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')
          and not coalesce(reloptions @> '{security_invoker=true}', false)
    """)
    assert found == []


async def test_the_application_can_make_nothing_in_the_schema(owner: Any) -> None:
    for role in ("aetherflow_app", "aetherflow_definer"):
        may = await owner.fetchval("select has_schema_privilege($1, 'public', 'create')", role)
        assert may is False


@pytest.mark.parametrize("table", MODELS)
async def test_every_constraint_has_a_name_that_says_what_it_is(owner: Any, table: str) -> None:
    names = await owner.fetch(
        "select conname from pg_constraint where conrelid = $1::text::regclass and contype <> 'n'",
        table,
    )
    for row in names:
        assert row.conname.startswith(f"{table}_")
        assert row.conname.rpartition("_")[2] in {"pkey", "key", "fkey", "check"}
    indexes = await owner.fetch(
        "select indexrelid::regclass::text as name from pg_index "
        "where indrelid = $1::text::regclass",
        table,
    )
    for row in indexes:
        assert row.name.startswith(f"{table}_")
        assert row.name.rpartition("_")[2] in {"pkey", "key", "idx"}
