from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from domain.reads import Reads
from graph.scalars import encoded_id
from tests.factories.unchanged import nothing_changes

if TYPE_CHECKING:
    from uuid import UUID

    import pytest

    from tests.factories.rows import Person, Rows
    from tests.graph.catalog.conftest import Asker

NESTED = """
query ($first: Int) {
  datasets(first: $first) {
    nodes {
      id
      uploader { displayName }
      department { code }
      workspace { name owner { displayName } }
      uploads { nodes { fileName dataset { id } } }
      jobs { nodes { jobType results { nodes { resultType } } } }
    }
  }
}
"""


async def test_reads_everything_of_a_dataset(
    asker: Asker, rows: Rows, department: UUID, editor: Person
) -> None:
    dataset = await rows.dataset(department, editor.id, row_count=2**40)
    upload = await rows.upload(dataset)
    job = await rows.job(department, editor.id, dataset)
    result = await rows.result(job)
    ask = """
      query ($id: ID!) {
        dataset(id: $id) {
          id name description fileType contentType fileSizeBytes fileHashSha256 rowCount
          columnCount columnNames status validationErrors uploadedAt createdAt updatedAt
          department { id } workspace { id datasets { totalCount nodes { id } } }
          uploader { id displayName }
          uploads { nodes { id fileName fileType contentType fileSizeBytes fileHashSha256 status
            progress partSizeBytes partCount arrivedPartCount expiresAt completedAt createdAt
            updatedAt dataset { id } department { id } owner { id } } }
          jobs { nodes { id } totalCount } results { nodes { id dataset { id } } }
          raw: downloadUrl(kind: RAW) { url expiresAt }
          processed: downloadUrl(kind: PROCESSED) { url }
        }
      }
    """
    key = encoded_id("Dataset", dataset.id)
    found = (await asker.data(editor, ask, id=key))["dataset"]
    assert (found["id"], found["status"], found["rowCount"]) == (key, "VALIDATED", 2**40)
    assert found["columnNames"] == ["column"]
    assert found["uploader"]["id"] == encoded_id("User", editor.id)
    assert found["workspace"]["datasets"]["nodes"] == [{"id": key}]
    assert [node["id"] for node in found["uploads"]["nodes"]] == [encoded_id("Upload", upload.id)]
    assert found["uploads"]["nodes"][0]["dataset"] == {"id": key}
    assert found["jobs"] == {"nodes": [{"id": encoded_id("Job", job.id)}], "totalCount": 1}
    assert found["results"]["nodes"][0]["id"] == encoded_id("Result", result.id)
    assert "/raw.csv?" in found["raw"]["url"]
    assert found["processed"] is None


async def test_nested_lists_take_one_statement_a_level(
    asker: Asker,
    rows: Rows,
    department: UUID,
    editor: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = await rows.person(department)

    async def fill(count: int) -> None:
        for _ in range(count):
            workspace = await rows.workspace(department, other.id)
            dataset = await rows.dataset(department, editor.id, workspace_id=workspace.id)
            await rows.upload(dataset)
            await rows.result(await rows.job(department, editor.id, dataset))

    texts: list[str] = []
    run = Reads._run

    async def counted(self: Reads, statement: Any, arguments: list[Any]) -> Any:
        texts.append(statement.text)
        return await run(self, statement, arguments)

    monkeypatch.setattr(Reads, "_run", counted)
    await fill(1)
    few = await asker.data(editor, NESTED, first=50)
    # datasets; departments, workspaces, uploads, jobs; results; the uploads' datasets; the actors
    # of datasets and, a level below, those of workspaces.
    assert len(texts) == 9, texts
    texts.clear()
    await fill(12)
    many = await asker.data(editor, NESTED, first=50)
    assert len(texts) == 9
    assert (len(few["datasets"]["nodes"]), len(many["datasets"]["nodes"])) == (1, 13)


async def test_filters_and_orders_datasets(
    asker: Asker, rows: Rows, department: UUID, editor: Person
) -> None:
    other = await rows.person(department)
    await rows.dataset(department, editor.id, name="b 100%", status="failed")
    await rows.dataset(department, other.id, name="a", file_type="json")
    workspace = await rows.workspace(department, editor.id)
    await rows.dataset(department, editor.id, name="c", workspace_id=workspace.id)
    ask = """
      query ($filter: DatasetFilter, $orderBy: DatasetOrderBy) {
        datasets(filter: $filter, orderBy: $orderBy) { nodes { name } totalCount }
      }
    """

    async def names(given: dict[str, Any]) -> list[str]:
        by_name = {"field": "NAME", "direction": "ASC"}
        found = (await asker.data(editor, ask, orderBy=by_name, **given))["datasets"]
        assert found["totalCount"] == len(found["nodes"])
        return [node["name"] for node in found["nodes"]]

    assert await names({}) == ["a", "b 100%", "c"]
    for filtered, expected in (
        ({"status": ["FAILED"]}, ["b 100%"]),
        ({"status": []}, []),
        ({"fileType": ["JSON", "XML"]}, ["a"]),
        ({"uploaderId": encoded_id("User", other.id)}, ["a"]),
        ({"workspaceId": encoded_id("Workspace", workspace.id)}, ["c"]),
        ({"departmentId": encoded_id("Department", department)}, ["a", "b 100%", "c"]),
        ({"departmentId": encoded_id("Department", uuid4())}, []),
        ({"nameContains": "0%"}, ["b 100%"]),
        ({"nameContains": "_"}, []),
        ({"createdFrom": "2020-01-01T00:00:00Z"}, ["a", "b 100%", "c"]),
        ({"createdBefore": "2020-01-01T00:00:00Z"}, []),
    ):
        assert await names({"filter": filtered}) == expected, filtered


async def test_a_list_is_followed_both_ways_by_name(
    asker: Asker, rows: Rows, department: UUID, editor: Person
) -> None:
    for name in ("b", "a", "a", "c", "d"):
        await rows.dataset(department, editor.id, name=name)
    ask = """
      query ($first: Int, $after: String, $last: Int, $before: String) {
        datasets(first: $first, after: $after, last: $last, before: $before,
                 orderBy: {field: NAME, direction: ASC}) {
          edges { cursor node { name } }
          pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        }
      }
    """
    seen: list[str] = []
    after = None
    while True:
        page = (await asker.data(editor, ask, first=2, after=after))["datasets"]
        seen += [edge["node"]["name"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == ["a", "a", "b", "c", "d"]
    back = (await asker.data(editor, ask, last=2, before=after))["datasets"]
    assert [edge["node"]["name"] for edge in back["edges"]] == ["b", "c"]
    assert back["pageInfo"]["hasPreviousPage"] is True
    newest = "query ($after: String) { datasets(after: $after) { nodes { name } } }"
    refused = await asker.refusal(editor, newest, after=after)
    assert (refused["code"], refused["fieldErrors"][0]["code"]) == ("INVALID_INPUT", "other_order")


async def test_what_belongs_to_others_or_is_deleted_is_null(
    asker: Asker, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    there = await rows.department()
    stranger = await rows.person(there)
    dataset = await rows.dataset(department, editor.id)
    upload = await rows.upload(dataset)
    gone = await rows.dataset(
        department, editor.id, deleted_at=await owner.fetchval("select now()")
    )
    ask = """
      query ($dataset: ID!, $upload: ID!, $workspace: ID!) {
        dataset(id: $dataset) { id } upload(id: $upload) { id } workspace(id: $workspace) { id }
        node(id: $dataset) { id }
      }
    """
    ids = {
        "dataset": encoded_id("Dataset", dataset.id),
        "upload": encoded_id("Upload", upload.id),
        "workspace": encoded_id("Workspace", dataset.workspace_id),
    }
    nothing = {"dataset": None, "upload": None, "workspace": None, "node": None}
    assert await asker.data(stranger, ask, **ids) == nothing
    found = await asker.data(editor, ask, **ids)
    assert found["dataset"] == found["node"] == {"id": ids["dataset"]}
    lists = "{ datasets { nodes { id } } uploads { nodes { id } } workspaces { nodes { id } } }"
    seen = await asker.data(stranger, lists)
    assert [each["nodes"] for each in seen.values()] == [[], [], []]
    seen = await asker.data(editor, lists)
    assert seen["datasets"]["nodes"] == [{"id": ids["dataset"]}]
    assert encoded_id("Dataset", gone.id) != ids["dataset"]


async def test_changes_and_deletes_a_dataset(
    asker: Asker, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    dataset = await rows.dataset(department, editor.id, description="Old.")
    job = await rows.job(department, editor.id, dataset)
    key = encoded_id("Dataset", dataset.id)
    change = """
      mutation ($input: UpdateDatasetInput!) {
        updateDataset(input: $input) { dataset { name description } }
      }
    """
    delete = """
      mutation ($input: DeleteDatasetInput!) { deleteDataset(input: $input) { deletedDatasetId } }
    """
    viewer = await rows.person(department, roles=("viewer",))
    stranger = await rows.person(await rows.department(), roles=("admin",))
    async with nothing_changes(owner):
        for person, code in ((viewer, "FORBIDDEN"), (stranger, "NOT_FOUND")):
            for mutation in (change, delete):
                refused = await asker.refusal(person, mutation, input={"datasetId": key})
                assert refused["code"] == code
        given: dict[str, Any] = {"datasetId": key, "name": None}
        assert (await asker.refusal(editor, change, input=given))["code"] == "INVALID_INPUT"
    given = {"datasetId": key, "name": "New"}
    changed = (await asker.data(editor, change, input=given))["updateDataset"]["dataset"]
    assert changed == {"name": "New", "description": "Old."}
    given = {"datasetId": key, "description": None}
    changed = (await asker.data(editor, change, input=given))["updateDataset"]["dataset"]
    assert changed == {"name": "New", "description": None}
    gone = (await asker.data(editor, delete, input={"datasetId": key}))["deleteDataset"]
    assert gone == {"deletedDatasetId": key}
    assert await owner.fetchval("select status from jobs where id = $1", job.id) == "cancelled"
    again = await asker.refusal(editor, delete, input={"datasetId": key})
    assert again["code"] == "NOT_FOUND"


async def test_makes_changes_and_deletes_a_workspace(
    asker: Asker, rows: Rows, owner: Any, department: UUID, editor: Person
) -> None:
    make = """
      mutation ($input: CreateWorkspaceInput!) {
        createWorkspace(input: $input) {
          workspace { id name description isDefault createdAt updatedAt
                      owner { id } department { id } datasets { totalCount } }
        }
      }
    """
    change = """
      mutation ($input: UpdateWorkspaceInput!) {
        updateWorkspace(input: $input) { workspace { name description } }
      }
    """
    delete = """
      mutation ($input: DeleteWorkspaceInput!) {
        deleteWorkspace(input: $input) { deletedWorkspaceId }
      }
    """
    given = {"name": "Spring", "idempotencyKey": "k"}
    made = (await asker.data(editor, make, input=given))["createWorkspace"]["workspace"]
    assert (made["name"], made["isDefault"]) == ("Spring", False)
    assert made["owner"]["id"] == encoded_id("User", editor.id)
    assert made["department"]["id"] == encoded_id("Department", department)
    again = (await asker.data(editor, make, input=given))["createWorkspace"]["workspace"]
    assert again == made
    key = made["id"]
    colleague = await rows.person(department, roles=("editor",))
    stranger = await rows.person(await rows.department(), roles=("admin",))
    async with nothing_changes(owner):
        for person, code in ((colleague, "FORBIDDEN"), (stranger, "NOT_FOUND")):
            for mutation in (change, delete):
                refused = await asker.refusal(person, mutation, input={"workspaceId": key})
                assert refused["code"] == code
    given = {"workspaceId": key, "description": "Of this year."}
    changed = (await asker.data(editor, change, input=given))["updateWorkspace"]["workspace"]
    assert changed == {"name": "Spring", "description": "Of this year."}
    gone = (await asker.data(editor, delete, input={"workspaceId": key}))["deleteWorkspace"]
    assert gone == {"deletedWorkspaceId": key}
    default = await rows.workspace(department, editor.id, is_default=True)
    given = {"workspaceId": encoded_id("Workspace", default.id)}
    async with nothing_changes(owner):
        assert (await asker.refusal(editor, delete, input=given))["code"] == "CONFLICT"
    ask = """
      query ($filter: WorkspaceFilter) {
        workspaces(filter: $filter) { nodes { name isDefault } }
      }
    """
    for filtered in (
        {"isDefault": True},
        {"ownerId": encoded_id("User", editor.id)},
        {"departmentId": encoded_id("Department", department)},
        {"nameContains": "work"},
    ):
        found = (await asker.data(editor, ask, filter=filtered))["workspaces"]["nodes"]
        assert [node["isDefault"] for node in found] == [True]


async def test_filters_uploads(asker: Asker, rows: Rows, department: UUID, editor: Person) -> None:
    dataset = await rows.dataset(department, editor.id)
    other = await rows.dataset(department, (await rows.person(department)).id)
    done, waits = await rows.upload(dataset), await rows.upload(other, status="uploading")
    ask = "query ($filter: UploadFilter) { uploads(filter: $filter) { nodes { id } } }"
    for filtered, expected in (
        ({"status": ["UPLOADING"]}, [waits]),
        ({"datasetId": encoded_id("Dataset", dataset.id)}, [done]),
        ({"ownerId": encoded_id("User", editor.id)}, [done]),
        ({}, [waits, done]),
    ):
        found = (await asker.data(editor, ask, filter=filtered))["uploads"]["nodes"]
        assert [node["id"] for node in found] == [encoded_id("Upload", row.id) for row in expected]
