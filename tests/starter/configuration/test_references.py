"""Names that lead nowhere, and documents that must be of one type."""

import pytest

from tests.starter.configuration.declarations import Declarations, place

AUTOSCALE = {
    "kind": "autoscale",
    "name": "a",
    "type": "server",
    "pool": "desks",
    "zone": "here",
    "vm_provider": "small",
}
STAGING = {
    "kind": "staging",
    "name": "s",
    "workspace": "w",
    "zone": "here",
    "pool": "agents",
    "desired_sessions": "1",
}
WORKSPACE = "kind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 512\n---\n"


def text(fields: dict[str, str], **changes: str) -> str:
    return "".join(f"{key}: {value}\n" for key, value in (fields | changes).items())


class TestDanglingReferences:
    @pytest.mark.parametrize(
        ("key", "value", "path", "wrong", "kind"),
        [
            ("pool", "dasks", "pool", '"dasks"', "pool"),
            ("zone", "hare", "zone", '"hare"', "zone"),
            ("vm_provider", "smal", "vm_provider", '"smal"', "vm_provider"),
            ("fallback_vm_providers", "[larg]", "fallback_vm_providers[0]", '"larg"', "vm_provider"),
            ("dns", "{provider: r53, base_domain: x.example}", "dns.provider", '"r53"', "dns_provider"),
            ("computer_record", "{ldap: corp, ou_dn: 'DC=x'}", "computer_record.ldap", '"corp"', "ldap"),
        ],
    )
    def test_an_autoscale_config_names_what_exists(
        self, declared: Declarations, key: str, value: str, path: str, wrong: str, kind: str
    ) -> None:
        problem = declared.problem(text(AUTOSCALE, **{key: value}))
        line = list(AUTOSCALE | {key: value}).index(key) + 1
        assert place(problem) == ("test.yaml", line, "autoscale a", path, wrong)
        assert problem.what == f"there is no {kind} of this name"
        assert problem.remedy

    @pytest.mark.parametrize("key", ["workspace", "zone", "pool", "autoscale"])
    def test_a_staging_config_names_what_exists(self, declared: Declarations, key: str) -> None:
        problem = declared.problem(WORKSPACE + text(STAGING, **{key: "nothing"}))
        assert (problem.key, problem.value) == (key, '"nothing"')
        assert problem.what == f"there is no {key} of this name"

    def test_a_workspace_names_a_zone_that_exists(self, declared: Declarations) -> None:
        problem = declared.problem("kind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 512\nzone: hera\n")
        assert place(problem) == ("test.yaml", 6, "workspace w", "zone", '"hera"')
        assert problem.remedy == "Did you mean here?"

    def test_the_way_out_lists_what_exists(self, declared: Declarations) -> None:
        assert declared.problem(text(AUTOSCALE, pool="xyz")).remedy == (
            "Declare it, or name one that exists: agents, desks."
        )

    def test_the_way_out_says_to_declare_it_where_there_is_none(self, empty: Declarations) -> None:
        problems = empty.problems(text(AUTOSCALE))
        assert problems[0].remedy == "Declare a pool of this name first."

    def test_a_reference_to_a_document_of_the_same_apply_is_fine_in_any_order(self, empty: Declarations) -> None:
        applied = empty.apply(
            text(AUTOSCALE)
            + "---\n{kind: vm_provider, name: small, provider: sim, max_instances: 1}\n"
            + "---\n{kind: pool, name: desks, type: server}\n---\n{kind: zone, name: here}\n"
        )
        assert len(applied.changes) == 4

    def test_a_reference_to_a_document_that_is_wrong_in_itself_is_not_called_missing(self, empty: Declarations) -> None:
        problem = empty.problem(
            "kind: zone\nname: z\nnonsense: 1\n"
            "---\nkind: workspace\nname: w\nimage: i\ncores: 1\nmemory_mib: 1\nzone: z\n"
        )
        assert problem.key == "nonsense"


class TestTypes:
    def test_an_autoscale_config_must_be_of_its_pools_type(self, declared: Declarations) -> None:
        problem = declared.problem(text(AUTOSCALE, pool="agents"))
        assert place(problem) == ("test.yaml", 3, "autoscale a", "type", '"server"')
        assert problem.what == "autoscale 'a' is of type server, but pool 'agents' is docker_agent"
        assert "Both must be of one type" in problem.remedy

    def test_a_pool_cannot_leave_its_autoscale_configs_behind(self, declared: Declarations) -> None:
        problem = declared.problem("kind: pool\nname: desks\ntype: docker_agent\n")
        assert place(problem) == ("test.yaml", 3, "pool desks", "type", '"server"')
        assert "autoscale 'desks-here' is of type server, but pool 'desks' is docker_agent" in problem.what

    def test_staged_sessions_need_docker_agents(self, declared: Declarations) -> None:
        problem = declared.problem(WORKSPACE + text(STAGING, pool="desks"))
        assert (problem.line, problem.key, problem.value) == (11, "pool", '"desks"')
        assert "only docker agents run staged sessions" in problem.what

    def test_a_fallback_is_named_once(self, declared: Declarations) -> None:
        problem = declared.problem(text(AUTOSCALE, fallback_vm_providers="[small]"))
        assert place(problem) == ("test.yaml", 7, "autoscale a", "fallback_vm_providers[0]", '"small"')
        assert problem.what == "is tried before already"
