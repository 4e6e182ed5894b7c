"""What the GCP provider's settings allow."""

from typing import Any

import pytest
from pydantic import ValidationError

from poolwright.providers.gcp.settings import Place, ScriptType, Settings

LEAST: dict[str, Any] = {
    "project": "project-0",
    "zones": ["us-east4-b"],
    "machine_types": ["e2-small"],
    "image": "linux-1",
}


def settings(**changed: Any) -> Settings:
    return Settings.model_validate({**LEAST, **changed})


class TestPlaces:
    def test_all_zones_come_with_the_first_machine_type_before_the_next(self) -> None:
        both = settings(zones=["us-east4-b", "us-east4-a"], machine_types=["e2-small", "n1-standard-4"])
        assert [place.text() for place in both.all_places()] == [
            "us-east4-b/e2-small",
            "us-east4-a/e2-small",
            "us-east4-b/n1-standard-4",
            "us-east4-a/n1-standard-4",
        ]

    def test_paths_count_by_their_last_part(self) -> None:
        zone, machine_type = "projects/p/zones/us-east4-b", "zones/us-east4-b/machineTypes/e2-small"
        by_path = settings(zones=[zone], machine_types=[machine_type])
        assert by_path.all_places() == [Place("us-east4-b", "e2-small")]

    def test_the_region_is_that_of_the_zones(self) -> None:
        assert settings().home_region == "us-east4"
        assert settings(region="us-east4").home_region == "us-east4"

    @pytest.mark.parametrize(
        ("changed", "said"),
        [
            ({"zones": ["us-east4-b", "us-west1-b"]}, "us-west1-b is not in us-east4"),
            ({"region": "us-west1"}, "us-east4-b is not in us-west1"),
            ({"zones": []}, "at least 1 item"),
            ({"zones": ["us-east4"]}, "pattern"),
            ({"zones": ["us-east4-b", "us-east4-b"]}, "once"),
            ({"machine_types": []}, "at least 1 item"),
        ],
    )
    def test_places_that_cannot_be_are_refused(self, changed: dict[str, Any], said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            settings(**changed)


class TestStartupScripts:
    def test_the_type_follows_the_system(self) -> None:
        assert settings().script_type is ScriptType.BASH
        assert settings(os_type="windows").script_type is ScriptType.POWERSHELL
        assert settings(os_type="windows", startup_script_type="cmd").script_type is ScriptType.CMD

    @pytest.mark.parametrize(
        ("os_type", "script_type"), [("linux", "powershell"), ("linux", "bat"), ("windows", "bash")]
    )
    def test_a_type_that_the_system_would_not_run_is_refused(self, os_type: str, script_type: str) -> None:
        with pytest.raises(ValidationError, match=f"{script_type} is not run on {os_type}"):
            settings(os_type=os_type, startup_script_type=script_type)


class TestLabelsAndMetadata:
    @pytest.mark.parametrize("labels", [{"Team": "a"}, {"team": "A b"}, {"1a": ""}, {"a": "x" * 64}, {"k" * 64: ""}])
    def test_labels_that_google_refuses_are_refused(self, labels: dict[str, str]) -> None:
        with pytest.raises(ValidationError, match="lower-case"):
            settings(labels=labels)

    def test_our_own_labels_cannot_be_set(self) -> None:
        with pytest.raises(ValidationError, match="knows its VMs"):
            settings(labels={"poolwright_server": "other"})

    def test_too_many_labels_are_refused(self) -> None:
        with pytest.raises(ValidationError, match="61 labels"):
            settings(labels={f"key-{number}": "" for number in range(61)})

    def test_metadata_may_be_a_list_or_a_mapping(self) -> None:
        pairs = {"enable-oslogin": "TRUE", "other": "1"}
        assert settings(metadata=pairs).metadata == pairs
        assert settings(metadata=[{"key": key, "value": value} for key, value in pairs.items()]).metadata == pairs

    @pytest.mark.parametrize(
        ("metadata", "said"),
        [
            ([{"key": ["a"], "value": "b"}], "each entry of a list"),
            ({"startup-script": "x"}, "where the startup script goes"),
            ({"windows-startup-script-ps1": "x"}, "where the startup script goes"),
            ({"no blank": "x"}, "keys are up to"),
            ([{"key": "a"}], '"key"'),
            ([["a", "b"]], '"key"'),
            ("text", '"key"'),
        ],
    )
    def test_metadata_that_cannot_be_are_refused(self, metadata: Any, said: str) -> None:
        with pytest.raises(ValidationError, match=said):
            settings(metadata=metadata)


class TestAccelerators:
    def test_googles_own_names_are_understood(self) -> None:
        given = {"acceleratorType": "projects/p/zones/z/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 2}
        (accelerator,) = settings(guest_accelerators=[given]).guest_accelerators
        assert (accelerator.accelerator_type, accelerator.accelerator_count) == ("nvidia-tesla-t4", 2)


class TestSecrets:
    def test_a_wrong_form_of_the_key_does_not_show_it(self) -> None:
        with pytest.raises(ValidationError) as refusal:
            settings(credentials_json={"private_key": "a-very-private-key"})
        assert "a-very-private-key" not in str(refusal.value)

    def test_the_key_is_not_in_the_settings_text(self) -> None:
        assert "a-very-private-key" not in repr(settings(credentials_json="a-very-private-key"))
