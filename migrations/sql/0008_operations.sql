create index jobs_department_id_completed_at_id_idx
    on jobs (department_id, completed_at desc, id desc)
    where deleted_at is null and completed_at is not null;
create index jobs_department_id_status_completed_at_id_idx
    on jobs (department_id, status, completed_at desc, id desc)
    where deleted_at is null and completed_at is not null;
create index jobs_department_id_error_code_completed_at_id_idx
    on jobs (department_id, error_code, completed_at desc, id desc)
    where deleted_at is null and error_code is not null;
create index results_department_id_result_type_created_at_id_idx
    on results (department_id, result_type, created_at desc, id desc) where deleted_at is null;
