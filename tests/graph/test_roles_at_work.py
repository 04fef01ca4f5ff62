"""What the seeded roles may start, they may also bring to its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.graph.uploads import Client
from tests.product import PASSWORD

if TYPE_CHECKING:
    from tests.product import Product

START = """
mutation ($input: StartJobInput!) { startJob(input: $input) { job { id } } }
"""
CREATE_USER = "mutation ($input: CreateUserInput!) { createUser(input: $input) { user { id } } }"


async def test_a_technicians_job_succeeds_and_leaves_the_dataset_complete(served: Product) -> None:
    admin, email = await served.token("admin@aetherflow.local"), "technician@example.com"
    newcomer = {"email": email, "fullName": "T", "departments": ["supply"], "password": PASSWORD}
    created = {"input": {**newcomer, "roles": ["technician"]}}
    await served.data(CREATE_USER, created, token=admin)
    owner = Client(served, await served.token("supply@aetherflow.local"), "supply")
    key = await owner.upload("parts.csv", b"part,stock\nbolt,1\nnut,2\n")
    assert (await owner.ended(key, jobs=2))["status"] == "COMPLETED"

    technician = Client(served, await served.token(email), "supply")
    # An etl follows each validation by itself.
    for count, kind in ((3, "ETL"), (5, "VALIDATION")):
        await technician.data(START, {"input": {"datasetId": key, "jobType": kind}})
        found = await technician.ended(key, jobs=count)
        jobs = found["jobs"]["nodes"]
        assert {job["status"] for job in jobs} == {"SUCCEEDED"}, json.dumps(jobs)
        assert found["status"] == "COMPLETED"
