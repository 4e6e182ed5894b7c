import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolwright.domain.startup_script import shell_of


class TestShell:
    @pytest.mark.parametrize(
        ("script", "shell"),
        [
            ("#!/bin/bash\necho", "bash"),
            ("#!/bin/sh -e", "bash"),
            ("#! /usr/bin/env bash\r\n", "bash"),
            ("#!/usr/bin/env -S LANG=C bash -e", "bash"),
            ("#!/usr/bin/pwsh", "powershell"),
            ("#!/usr/bin/env pwsh", "powershell"),
            ("#!/usr/bin/python3", "unknown"),
            ("#!", "unknown"),
            ("#!/usr/bin/env", "unknown"),
            ("<powershell>\nGet-Date", "powershell"),
            ("<PowerShell>", "powershell"),
            ("#ps1_sysnative\n", "powershell"),
            ("#ps1", "powershell"),
            ("#Requires -RunAsAdministrator", "powershell"),
            ("<script>\ndir", "cmd"),
            ("rem cmd\r\ndir", "cmd"),
            ("@echo off\r\n", "cmd"),
            ("#cloud-config\nusers: []", "cloud-config"),
            ("#cloud-config-archive\n", "unknown"),
            ("echo hello", "unknown"),
            ("\n#!/bin/bash", "unknown"),
            ("", "unknown"),
        ],
    )
    def test_is_told_by_the_first_line(self, script: str, shell: str) -> None:
        assert shell_of(script) == shell

    @given(script=st.text())
    def test_is_told_for_any_text(self, script: str) -> None:
        assert shell_of(script) in {"bash", "powershell", "cmd", "cloud-config", "unknown"}
