-- The roles and the database, made by whoever administrates the server: the embedded one at its
-- start, a container's at its first. Run it again at will. The passwords come from the environment,
-- so they stand in no file, log or list of processes.
\set ON_ERROR_STOP on
\set QUIET on
\getenv owner_password AETHERFLOW_OWNER_PASSWORD
\getenv app_password AETHERFLOW_APP_PASSWORD

-- The definer can't log in: its functions are the only way past the row-level policies.
select format('create role %I', role)
from unnest(array['aetherflow_owner', 'aetherflow_app', 'aetherflow_definer']) as role
where not exists (select from pg_catalog.pg_roles where rolname = role)
\gexec

alter role aetherflow_owner
    login nosuperuser nocreatedb nocreaterole nobypassrls password :'owner_password';
alter role aetherflow_app
    login nosuperuser nocreatedb nocreaterole nobypassrls password :'app_password';
alter role aetherflow_definer nologin nosuperuser nocreatedb nocreaterole nobypassrls;

-- The owner's migrations give functions to the definer.
grant aetherflow_definer to aetherflow_owner;

select 'create database aetherflow owner aetherflow_owner'
where not exists (select from pg_catalog.pg_database where datname = 'aetherflow')
\gexec
