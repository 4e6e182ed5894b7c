"""What a Temporal namespace is given."""

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.testing import WorkflowEnvironment

from starter.preparation import keep_closed_workflows


class TestClosedWorkflows:
    async def test_they_are_kept_for_as_long_as_was_asked_last(self, temporal_env: WorkflowEnvironment) -> None:
        client = temporal_env.client
        for days in (30, 7):
            await keep_closed_workflows(client, days)
            namespace = await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=client.namespace)
            )
            assert namespace.config.workflow_execution_retention_ttl.ToTimedelta().days == days
