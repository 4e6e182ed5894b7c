import base64
import json
import subprocess

from hypothesis import given, settings
from hypothesis import strategies as st

from poolwright.domain.startup_script import render

any_value = st.text(st.characters(), min_size=1)
"""Lone surrogates included: what comes from JSON or YAML may hold them."""


def quoted(script: str, value: str) -> str:
    """`script` with this password."""
    return render(script, {"connection_password": value}, "server").get_secret_value()


class TestFilters:
    @given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
    @settings(max_examples=30)
    def test_sh_gives_the_value_back_to_a_shell(self, value: str) -> None:
        script = quoted("printf '%s' {connection_password:sh}", value)
        done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
        assert done.stdout.decode() == value

    @given(value=st.text(min_size=1))
    def test_json_gives_the_value_back_to_a_json_reader(self, value: str) -> None:
        assert json.loads(quoted("{connection_password:json}", value)) == value

    @given(value=any_value)
    def test_json_holds_nothing_that_a_shell_around_it_would_act_on(self, value: str) -> None:
        text = quoted("{connection_password:json}", value)
        assert text.isascii()
        assert all(character >= " " for character in text)
        assert not set("'$`") & set(text)
        assert '"' not in text[1:-1]

    @given(value=st.text(st.sampled_from("'\"\\$`é\n x"), min_size=1))
    @settings(max_examples=30)
    def test_json_survives_a_here_document_and_a_quoted_argument(self, value: str) -> None:
        template = "cat <<END\n{connection_password:json}\nEND\nprintf '%s' '{connection_password:json}'"
        script = quoted(template, value)
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
        from_document, _, from_argument = done.stdout.partition("\n")
        assert json.loads(from_document) == json.loads(from_argument) == value

    @given(value=st.text(st.sampled_from("'\u2018\u2019\u201a\u201b\"$`x"), min_size=1))
    def test_powershell_doubles_every_quote_that_would_end_the_literal(self, value: str) -> None:
        text = quoted("{connection_password:powershell}", value)
        assert read_powershell_literal(text) == value

    @given(value=st.text(min_size=1))
    def test_base64_gives_the_value_back(self, value: str) -> None:
        text = quoted("{connection_password:base64}", value)
        assert base64.b64decode(text, validate=True).decode() == value

    def test_a_filter_quotes_an_injection_away(self) -> None:
        assert quoted("{connection_password:sh}", "x'; reboot #") == "'x'\"'\"'; reboot #'"
        assert quoted("{connection_password:powershell}", "x'; reboot") == "'x''; reboot'"
        assert quoted("{connection_password:json}", 'a"b') == r'"a\u0022b"'


def read_powershell_literal(text: str) -> str:
    """The value of a single-quoted PowerShell literal, by its rule: a quote of any of the five kinds, directly followed
    by another, stands for the second; alone it ends the literal."""
    quotes = "'\u2018\u2019\u201a\u201b"
    assert text[0] == "'"
    value = ""
    position = 1
    while not (text[position] in quotes and text[position + 1 : position + 2] not in tuple(quotes)):
        position += 1 if text[position] in quotes else 0
        value += text[position]
        position += 1
    assert position == len(text) - 1
    return value
