"""The request that makes a droplet."""

from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.providers.digitalocean import requests
from poolwright.providers.digitalocean.provider import DigitalOceanProvider, open_provider
from poolwright.providers.digitalocean.settings import Settings
from poolwright.providers.errors import InvalidSettings
from tests.conformance.specs import SCRIPT, spec_of
from tests.providers.digitalocean.account import Account

VPC = "5a4981aa-9653-4bd1-bef5-d6bff52042e4"
PLAIN: dict[str, Any] = {"regions": ["fra1"], "sizes": ["s-1vcpu-1gb"], "image": "ubuntu-24-04-x64"}


def body_of(**changes: Any) -> dict[str, Any]:
    return requests.body(Settings.model_validate({**PLAIN, **changes}), spec_of("a"), [])


class TestBody:
    def test_has_everything_that_is_set(self) -> None:
        settings = Settings.model_validate(
            {
                **PLAIN,
                "vpc_ids": {"fra1": VPC},
                "firewall_name": "Wall.1",
                "tags": ["vdi", "env:prod"],
                "ipv6": True,
                "monitoring": True,
                "backups": True,
                "droplet_agent": False,
            }
        )
        assert requests.body(settings, spec_of("a"), [1, 2]) == {
            "name": "pw-a",
            "region": "fra1",
            "size": "s-1vcpu-1gb",
            "image": "ubuntu-24-04-x64",
            "tags": ["poolwright:controller-1", "poolwright-firewall:Wall_1", "vdi", "env:prod"],
            "ssh_keys": [1, 2],
            "monitoring": True,
            "backups": True,
            "ipv6": True,
            "public_networking": True,
            "vpc_uuid": VPC,
            "with_droplet_agent": False,
            "user_data": SCRIPT,
        }

    def test_leaves_out_what_is_not_set(self) -> None:
        body = body_of()
        assert not {"vpc_uuid", "with_droplet_agent"} & set(body)
        assert (body["backups"], body["ipv6"], body["public_networking"]) == (False, False, True)

    def test_has_no_user_data_without_a_script(self) -> None:
        settings = Settings.model_validate(PLAIN)
        assert "user_data" not in requests.body(settings, spec_of("a", script=""), [])

    def test_makes_tags_of_labels_with_letters_that_tags_may_have(self) -> None:
        spec = spec_of("a").model_copy(update={"labels": {"pool": "web desktops", "long": "x" * 300}})
        tags = requests.body(Settings.model_validate(PLAIN), spec, [])["tags"]
        assert tags[1] == "pool:web_desktops"
        assert len(tags[2]) == 255

    def test_takes_the_image_by_number(self) -> None:
        assert body_of(image=6918990)["image"] == 6918990

    def test_refuses_a_name_that_no_droplet_can_have(self) -> None:
        with pytest.raises(InvalidSettings, match="'pw-a_b' cannot be a droplet's name"):
            requests.body(Settings.model_validate(PLAIN), spec_of("a_b"), [])


class TestPlaces:
    def test_try_the_first_size_in_every_region_before_the_second(self) -> None:
        settings = Settings.model_validate({**PLAIN, "regions": ["fra1", "ams3"], "sizes": ["c-2", "c-4"]})
        assert [str(place) for place in requests.places(settings)] == [
            "fra1/c-2",
            "ams3/c-2",
            "fra1/c-4",
            "ams3/c-4",
        ]

    def test_are_no_choice_when_there_is_one(self) -> None:
        assert open_provider(PLAIN, "controller-1").places() == []

    def test_decide_region_size_and_vpc(self) -> None:
        settings = Settings.model_validate({**PLAIN, "regions": ["ams3", "fra1"], "vpc_ids": {"fra1": VPC}})
        elsewhere = requests.body(settings, spec_of("a"), [])
        here = requests.body(settings, spec_of("a", place="fra1/s-1vcpu-1gb"), [])
        assert (elsewhere["region"], elsewhere.get("vpc_uuid")) == ("ams3", None)
        assert (here["region"], here["vpc_uuid"]) == ("fra1", VPC)


class TestOverride:
    def test_is_merged_into_the_request(self) -> None:
        body = body_of(config_override={"backup_policy": {"plan": "weekly"}, "ipv6": True, "monitoring": None})
        assert body["backup_policy"] == {"plan": "weekly"}
        assert body["ipv6"] is True
        assert "monitoring" not in body

    @pytest.mark.parametrize(
        ("key", "value"),
        [("name", "mine"), ("names", ["one", "two"]), ("tags", ["vdi"]), ("user_data", "#!/bin/sh"), ("tags", None)],
    )
    def test_cannot_change_what_vms_are_known_or_started_by(self, key: str, value: object) -> None:
        with pytest.raises(InvalidSettings, match=f"config_override changes {key}"):
            body_of(config_override={key: value})

    def test_that_is_no_mapping_is_refused_by_name(self) -> None:
        with pytest.raises(ValidationError, match="config_override"):
            Settings.model_validate({**PLAIN, "config_override": ["ipv6"]})

    def test_that_digitalocean_refuses_is_told_with_its_words(self, account: Account) -> None:
        provider = account.open(config_override={"monitoring": "yes"})
        with pytest.raises(InvalidSettings, match="HTTP 422"):
            provider.create(spec_of("a"))
        assert account.cloud.complaints
        account.cloud.complaints.clear()
        assert account.cloud.leftovers() == []


class TestPreview:
    def test_is_what_create_sends(self, account: Account) -> None:
        provider = account.open(config_override={"with_droplet_agent": False})
        shown = dict(provider.preview(spec_of("a")).request)
        assert account.server.count() == 0
        provider.create(spec_of("a"))
        (sent,) = [one for one in account.server.requests if (one.method, one.path) == ("POST", "/v2/droplets")]
        assert shown.pop("ssh_keys") == ["number of ops"]
        assert sent.json == {**shown, "ssh_keys": [512189]}

    def test_shows_the_firewalls_tag(self, provider: DigitalOceanProvider) -> None:
        tag = "poolwright-firewall:pool_firewall"
        assert provider.preview(spec_of("a")).also == {
            "tag": {"name": tag},
            "tags of firewall pool.firewall": {"tags": [tag]},
        }

    def test_refuses_what_create_refuses(self, provider: DigitalOceanProvider) -> None:
        with pytest.raises(InvalidSettings, match="65536"):
            provider.preview(spec_of("a", script="x" * 65_537))


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"regions": []}, "at least 1"),
            ({"regions": ["fra1", "fra1"]}, "twice"),
            ({"tags": ["no spaces"]}, "letters, digits, colons"),
            ({"tags": ["poolwright:other"]}, "begins with poolwright"),
            ({"firewall_name": "no_underscores"}, "periods and dashes"),
            ({"vpc_ids": {"nyc1": VPC}}, "nyc1"),
            ({"ipv6": True, "public_address": False}, "ipv6 needs public_address"),
            ({"endpoint_url": "http://127.0.0.1"}, "in the clear"),
            ({"region": "fra1"}, "Extra inputs"),
        ],
    )
    def test_are_refused_when_they_cannot_be_meant(self, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            Settings.model_validate({**PLAIN, **wrong})

    def test_hide_the_token(self) -> None:
        assert "dop_v1_secret" not in repr(Settings.model_validate({**PLAIN, "token": "dop_v1_secret"}))
