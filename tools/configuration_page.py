"""The pages on the configuration: every kind of document, and every provider's settings, from their models."""

import inspect
from collections.abc import Iterator

from pydantic import BaseModel

from poolwright.dns import registry as dns_registry
from poolwright.domain.autoscale import AutoscaleBase, DockerAgentAutoscale, ServerAutoscale
from poolwright.providers import registry
from poolwright.store.documents import kinds
from starter.configuration.models import document_model
from tools.model_tables import choice_meanings, choices, part_heading, parts, table

_INTRODUCTION = """\
# Configuration

This page is made from the models by `python -m tools.make_reference`.

Everything that an installation is to be stands in YAML files: one file or many, each with any number of documents,
separated by `---`. Each document has a `kind` and a `name`. `examples/local.yaml` is one that works.

```
poolwright diff site/            # what would change; exit code 3 if anything
poolwright apply site/           # all of it, or nothing if anything is wrong
poolwright get autoscale demo    # what was set; --all shows defaults too
poolwright export                # everything as YAML that can be applied again
poolwright delete pool demo      # documents that no file names any more stay until then
```

Everything is checked before anything is changed, and all problems of all files come at once, each with its file and
line: keys, types, names that lead nowhere, provider settings, startup scripts with the tags that have a value,
host names, numbers that can never be reached, and changes that the servers which exist forbid.

Running servers keep what they were made with. A change that would make them differ marks them as drifted
(`poolwright pool show`), and `poolwright pool rollout` replaces them one by one without ending a session.

## Secrets

Wherever the type is `secret`, write one of these:

| written | meaning |
|---|---|
| the secret itself | stored sealed, never shown again |
| `env:NAME` | the environment variable of whoever applies |
| `file:PATH` | the text of a file, without its last line break; the path is relative to the YAML file |
| `stored:` | keep what is stored; this is what `get` and `export` print |

A secret that itself begins with `env:`, `file:` or `stored:` has to come from a file or a variable.
No secret is ever in an error, a difference, an export or a log, and none is in Temporal.

## Startup scripts

`startup_script_file` names a file relative to the YAML file; its text is read when it is applied. See
[startup scripts](startup-scripts.md) for the tags. A mistake in the script is reported with its own line and column.
"""
_PROVIDERS = """\
# Settings of providers

This page is made from the models by `python -m tools.make_reference`. These are the keys below `settings` of a
[vm_provider](configuration.md#vm_provider) or [dns_provider](configuration.md#dns_provider) document.
`poolwright provider check NAME` asks a VM provider itself whether they work.
"""


def configuration_page() -> str:
    """`docs/configuration.md`."""
    shown: set[type[BaseModel]] = set()
    sections = [_INTRODUCTION]
    for kind in kinds():
        if kind == "autoscale":
            sections += _autoscale_sections()
            models: list[type[BaseModel]] = [ServerAutoscale, DockerAgentAutoscale]
        else:
            model = document_model(kind, {})
            assert model is not None
            sections.append(_section(f"## `{kind}`", model, _keys(model)))
            models = [model]
        for part in (part for model in models for part in parts(model)):
            if part not in shown:
                shown.add(part)
                sections.append(_section(f"### {part.__name__}", part, list(part.model_fields)))
    return "\n".join(sections)


def provider_settings_page() -> str:
    """`docs/provider-settings.md`."""
    sections = [_PROVIDERS]
    models = {kind: registry.settings_model(kind) for kind in registry.kinds()}
    models |= {f"DNS {kind}": dns_registry.settings_model(kind) for kind in dns_registry.kinds()}
    for kind, model in models.items():
        sections.append(_section(f"## {kind}", model, list(model.model_fields), owner=kind))
        for part in dict.fromkeys(parts(model)):
            heading = f"### {part_heading(part.__name__, kind)}"
            sections.append(_section(heading, part, list(part.model_fields), owner=kind))
    return "\n".join(sections)


def _autoscale_sections() -> Iterator[str]:
    common = _keys(AutoscaleBase)
    yield _section("## `autoscale`", AutoscaleBase, common).replace(
        "What both types share.", "How one pool grows and shrinks in one zone, on one VM provider config. Both types:"
    )
    for model in (ServerAutoscale, DockerAgentAutoscale):
        own = [name for name in _keys(model) if name not in common]
        yield _section(f"### autoscale with `type: {model.model_fields['type'].annotation.__args__[0]}`", model, own)  # type: ignore[union-attr]


def _keys(model: type[BaseModel]) -> list[str]:
    return [name for name in model.model_fields if name != "kind"]


def _section(heading: str, model: type[BaseModel], fields: list[str], owner: str | None = None) -> str:
    text = f"{heading}\n\n{_prose(model)}\n\n{table(model, fields, owner=owner)}"
    for name, enum in choices(model):
        if name in fields:
            meanings = "".join(f"- `{value}`: {meaning}\n" for value, meaning in choice_meanings(enum).items())
            text += f"\nValues of `{name}`:\n\n{meanings}"
    return text


def _prose(model: type[BaseModel]) -> str:
    """The docstring, without what only concerns programs."""
    paragraphs = inspect.cleandoc(model.__doc__ or "").split("\n\n")
    return "\n\n".join(paragraph for paragraph in paragraphs if not paragraph.startswith("Raises "))
