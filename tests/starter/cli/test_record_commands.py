"""`dns check` and `directory check`: what can be said of servers that do not answer."""

from starter.cli.exit_codes import ExitCode
from tests.starter.cli.program import CONFIGURATION, Program

DNS = (
    "kind: dns_provider\nname: campus\nprovider: rfc2136\n"
    "settings: {servers: ['127.0.0.1:9'], zones: [example.org], timeout_seconds: 0.5}\n"
)
LDAP = (
    "kind: ldap\nname: corp\nurls: ['ldaps://127.0.0.1:9']\nsearch_base: DC=corp,DC=example\n"
    "service_account_dn: CN=svc,DC=corp,DC=example\nservice_account_password: pl4nt3d-s3cr3t\n"
)


class TestDNS:
    def test_the_base_domains_of_the_autoscale_configs_are_checked(self, program: Program) -> None:
        named = CONFIGURATION + "dns: {provider: campus, base_domain: vdi.elsewhere.org}\n"
        program.run("apply", "-", stdin=f"{DNS}---{named}")
        findings = program.json("dns", "check", "campus", expect=ExitCode.FAILED)
        assert {finding["setting"] for finding in findings} == {"base_domain", "servers"}
        assert "vdi.elsewhere.org lies in none of the zones" in findings[0]["problem"]

    def test_one_that_nobody_names_needs_a_base_domain(self, program: Program) -> None:
        program.run("apply", "-", stdin=DNS)
        assert "--base-domain" in program.error("dns", "check", "campus", expect=ExitCode.USAGE)
        (finding,) = program.json("dns", "check", "campus", "--base-domain", "vdi.example.org", expect=ExitCode.FAILED)
        assert finding["setting"] == "servers"

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        program.error("dns", "check", "nothing", expect=ExitCode.NOT_FOUND)


class TestDirectory:
    def test_everything_that_is_wrong_is_listed_without_a_secret(self, program: Program) -> None:
        program.run("apply", "-", stdin=LDAP)
        result = program.run("directory", "check", "corp", expect=ExitCode.FAILED)
        assert "127.0.0.1:9 cannot be reached" in result.stdout
        assert "No autoscale config names it" in result.stderr
        assert "pl4nt3d" not in result.output

    def test_an_unknown_config_is_not_found(self, program: Program) -> None:
        program.error("directory", "check", "nothing", expect=ExitCode.NOT_FOUND)
